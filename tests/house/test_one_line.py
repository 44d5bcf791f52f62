"""Wrong input to a command ends in one line on stderr and exit code 1 or 2, never in a traceback."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.recorder.ledger import Ledger

Words = list[str]


def ledger(folder: Path) -> Path:
    path = folder / "ledger.sqlite"
    its = Ledger(path)
    plc = {"epoch": 1, "number": 1, "parts": 1}
    its.append([("part", 1, 1, 1, {"utc": "", "verdict": "OK", "plc": plc})])
    its.close()
    return path


def pictures(folder: Path, grey: int, column: str, values: Callable[[int], str]) -> Path:
    """Twelve good pictures in a dataset.csv with one special column."""
    chance = np.random.default_rng(1)
    rows = []
    for k in range(12):
        image = np.full((64, 64), grey, np.uint8) if grey == 0 else chance.integers(60, 200, (64, 64)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{k}.png"), image)
        rows.append([f"{k}.png", "ok", values(k)])
    path = folder / "dataset.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", column], *rows])
    return path


def teach(data: Path, folder: Path) -> Words:
    return ["teach", "--data", str(data), "--out", str(folder / "p.jdk"), "--state", str(folder)]


def other_lines(folder: Path) -> Words:
    (folder / "account").write_text(json.dumps({"hello": 1}) + "\n")
    return ["ledger", "reconcile", str(ledger(folder)), "--account", str(folder / "account")]


def empty_coco(folder: Path) -> Words:
    (folder / "coco.json").write_text("[]")
    return teach(folder / "coco.json", folder)


def loose_test_picture(folder: Path) -> Words:
    (folder / "d" / "train" / "good").mkdir(parents=True)
    (folder / "d" / "test").mkdir()
    for name in ("train/good/a.png", "test/defect1.png"):
        cv2.imwrite(str(folder / "d" / name), np.zeros((8, 8), np.uint8))
    return teach(folder / "d", folder)


CASES: dict[str, tuple[Callable[[Path], Words], str]] = {
    "export into nowhere": (lambda f: ["ledger", "export", str(ledger(f)), "--out", "/nowhere/x"], "--out /nowhere"),
    "an account of something else": (other_lines, "no 'part'"),
    "a head that is not there": (lambda f: ["ledger", "verify", str(ledger(f)), "--head", "ab"], "not in the chain"),
    "a COCO file that is none": (empty_coco, "not a COCO file"),
    "an unknown subset": (lambda f: teach(pictures(f, 1, "subset", lambda _: "Train"), f), "subset 'Train'"),
    "one group": (lambda f: teach(pictures(f, 1, "group", lambda _: "a"), f), "one group"),
    "black pictures": (lambda f: teach(pictures(f, 0, "group", str), f), "without contrast"),
    "a picture in test itself": (loose_test_picture, "lies in test/ itself"),
    "an impossible port": (
        lambda f: ["plc", "simulate", "modbus://1.2.3.4:99999", "--account", str(f / "a")], "modbus://host:port"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_says_one_line(tmp_path: Path, case: str) -> None:
    words, said = CASES[case]
    command = [sys.executable, "-m", "cli", *words(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (1, 2), done.stdout
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("\r")]
    assert lines[-1].startswith("jidoka: ")
    assert said in lines[-1]
    assert "Traceback" not in done.stderr

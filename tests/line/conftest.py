"""The whole station as processes, against the simulated machine, on pictures rendered here."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tomlkit

from edge.recorder.verify import part_rows, read_account, reconcile, reconcile_counters, rows
from edge.settings import StateFolder

JIDOKA = [sys.executable, "-m", "cli"]
Row = dict[str, Any]
LATE = {  # what a busy machine may do to single parts: they are explained, and no test is about them
    "exposed_late", "engine_late", "engine_busy", "camera_no_frame", "result not taken in time by the machine",
}  # fmt: skip


def picture(seed: int, *, bad: bool) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A brushed plate with a bright bar; bad ones carry a dark blotch."""
    chance = np.random.default_rng(seed)
    image = np.full((120, 160), 110.0) + chance.normal(0, 6, (120, 1)) + chance.normal(0, 3, (120, 160))
    image[50:62] += 60
    if bad:
        x, y = chance.integers(20, 130), chance.integers(15, 95)
        cv2.circle(image, (int(x), int(y)), 14, 15.0, -1)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def write_dataset(folder: Path, name: str, count: int, bad_every: int, first: int) -> Path:
    (folder / name).mkdir()
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "defect_type", "mask", "boxes", "split", "subset", "group", "extra"])
        for k in range(count):
            bad = bool(bad_every) and k % bad_every == bad_every - 1
            cv2.imwrite(str(folder / name / f"{k:03}.png"), picture(first + k, bad=bad))
            subset = "train" if name == "taught" else "test"
            table.writerow([f"{name}/{k:03}.png", "ng" if bad else "ok", "", "", "", "x", subset, f"{name}{k}", ""])
    return path


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a taught package, its keys, and the parts that will come."""
    folder = tmp_path_factory.mktemp("taught")
    data = write_dataset(folder, "taught", 30, 0, 0)
    write_dataset(folder, "parts", 40, 4, 1000)
    command = [*JIDOKA, "teach", "--data", str(data), "--out", str(folder / "plate.jdk"), "--state", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def wait_until(condition: Callable[[], Any], what: str, at_most_s: float = 30.0) -> Any:
    """The condition's first true value; a test that waits in vain says for what."""
    until = time.monotonic() + at_most_s
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {at_most_s} s in vain for {what}")


class LineUnderTest:
    """Machine and station as separate processes, and the accounts they leave."""

    def __init__(self, folder: Path, taught: Path) -> None:
        self.folder, self.taught = folder, taught
        self.state = StateFolder(folder / "state")
        self.stage, self.account = folder / "stage", folder / "machine.jsonl"
        self.stage.mkdir()
        self.machine_command: list[str] = []
        self.machine: subprocess.Popen[str] | None = None
        self.station: subprocess.Popen[str] | None = None
        self.uri = ""

    def start_machine(self, parts: int, *more: str, takt_s: float = 0.15, plan: str = "parts.csv") -> None:
        endpoints = self.folder / "machine.json"
        self.machine_command = [
            *JIDOKA,
            "plc",
            "simulate",
            "modbus://127.0.0.1:0",
            "--plan",
            str(self.taught / plan),
            "--stage",
            str(self.stage),
            "--account",
            str(self.account),
            "--endpoints",
            str(endpoints),
            "--parts",
            str(parts),
            "--takt-s",
            str(takt_s),
            "--travel-s",
            "0.4",
            "--wait-ready-s",
            "40",
            "--json",
            *more,
        ]
        self.machine = self.popen(self.machine_command)
        wait_until(endpoints.exists, "the machine to listen")
        self.uri = json.loads(endpoints.read_text())["uri"]
        self.machine_command[self.machine_command.index("modbus://127.0.0.1:0")] = self.uri

    def restart_machine(self, *, wait_for_vision: bool = True) -> None:
        """Kill it, switch it on again."""
        assert self.machine is not None
        self.machine.kill()
        self.machine.communicate()
        at = self.machine_command.index("--wait-ready-s")
        wait = self.machine_command[at : at + 2] if wait_for_vision else []
        self.machine = self.popen([*self.machine_command[:at], *wait, *self.machine_command[at + 2 :]])

    def start_station(
        self, cycle: Row | None = None, reactions: list[Row] | None = None, extra: Row | None = None, **settings: Any
    ) -> None:
        self.write_station(cycle, reactions, extra, **settings)
        self.launch()

    def write_station(
        self, cycle: Row | None = None, reactions: list[Row] | None = None, extra: Row | None = None, **settings: Any
    ) -> None:
        station: dict[str, Any] = {
            "name": "test",
            "mode": "AUTO",
            "allow_provisional": True,
            "recipe": "plate",
            "cameras": [{"name": "top", "uri": f"folder:{self.stage}"}],
            "plc": {"uri": self.uri},
            "web": {"port": 0},
        } | settings
        recipe: Row = {
            "name": "plate",
            "number": 1,
            "product": "Brushed plate",
            "line": {"takt_s": 0.15, "deadline_ms": 140, "exposure_window_ms": 70, "least_spacing_counts": 150}
            | (cycle or {}),
            "tools": [{"camera": "top", "package": str(self.taught / "plate.jdk")}],
        } | ({} if reactions is None else {"reactions": reactions})
        recipe |= extra or {}
        (self.folder / "recipes" / "plate").mkdir(parents=True, exist_ok=True)
        (self.folder / "recipes" / "plate" / "recipe.toml").write_text(tomlkit.dumps(recipe))
        (self.folder / "station.toml").write_text(tomlkit.dumps(station))
        self.state.make()
        for key in (self.taught / "trust").iterdir():
            (self.state.trust / key.name).write_bytes(key.read_bytes())

    def launch(self) -> None:
        self.station = self.popen([*JIDOKA, "run", str(self.folder / "station.toml"), "--state", str(self.state.root)])

    def popen(self, command: list[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def endpoints(self) -> Row:
        return dict(json.loads(self.state.endpoints.read_text()))

    def pid(self, name: str) -> int:
        return int(self.endpoints()[name]["pid"])

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid(name), how)

    def rows(self) -> list[Row]:
        return part_rows(self.state.ledger) if self.state.ledger.exists() else []

    def events(self, code: str) -> list[Row]:
        found = [json.loads(text) for _, text, _, _ in rows(self.state.ledger)]
        return [row for row in found if row["kind"] == "event" and row["code"] == code]

    def confirmations(self) -> list[Row]:
        found = [json.loads(text) for _, text, _, _ in rows(self.state.ledger)]
        return [row for row in found if row["kind"] == "confirmation"]

    def wait_for_parts(self, count: int) -> None:
        wait_until(lambda: self.account.exists() and len(read_account(self.account)) >= count, f"{count} parts", 60)

    def finish(self) -> Row:
        """Wait for the machine's last part, stop the station, hold the accounts against one another."""
        assert self.machine is not None
        assert self.station is not None
        out, _ = self.machine.communicate(timeout=120)
        assert self.machine.returncode == 0, out
        time.sleep(0.3)
        self.station.send_signal(signal.SIGTERM)
        said, _ = self.station.communicate(timeout=30)
        result = reconcile(self.state.ledger, self.account)
        assert reconcile_counters(self.state.ledger)["problems"] == []  # the PLC's counters say the same
        return {**result, "machine": json.loads(out.splitlines()[-1]), "said": said}

    def end_feeding(self) -> Row:
        """The machine takes no more parts; then as `finish`. For tests that are as long as they need to be."""
        assert self.machine is not None
        self.machine.send_signal(signal.SIGTERM)
        return self.finish()

    def restart_station(self) -> None:
        """Switched off, switched on."""
        assert self.station is not None
        self.station.send_signal(signal.SIGTERM)
        self.station.communicate(timeout=30)
        self.launch()

    def inspects_again(self) -> bool:
        """Among the last parts are some whose verdict the PLC took."""
        return any(row["verdict"] in ("OK", "NG") for row in read_account(self.account)[-5:])

    def end(self) -> None:
        for process in (self.station, self.machine):
            if process is not None and process.poll() is None:
                process.kill()
            if process is not None:
                process.communicate()


@pytest.fixture
def line(tmp_path: Path, taught: Path) -> Iterator[LineUnderTest]:
    under_test = LineUnderTest(tmp_path, taught)
    yield under_test
    under_test.end()


def status(line: LineUnderTest) -> dict[str, Any]:
    command = [*JIDOKA, "station", "status", "--state", str(line.state.root), "--json"]

    def asked() -> list[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()

    return dict(json.loads(wait_until(asked, "the gate to answer")[-1]))


def second_recipe(line: LineUnderTest, **changes: str) -> None:
    """Recipe `other`, number 2, beside `plate`."""
    folder = line.folder / "recipes" / "other"
    folder.mkdir(parents=True)
    text = (line.folder / "recipes" / "plate" / "recipe.toml").read_text()
    text = text.replace('name = "plate"', 'name = "other"').replace("number = 1", "number = 2")
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "recipe.toml").write_text(text)

"""Teach and evaluate through the command line, on pictures rendered here."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import stats

from training.cross_fit import cross_fit, score
from training.limits import Asked, provisional, tolerance_factor
from training.methods.method import METHODS

JIDOKA = [sys.executable, "-m", "cli"]


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*JIDOKA, *map(str, words)], capture_output=True, text=True, check=False)


def plate(seed: int, *, bad: bool = False) -> np.ndarray[Any, np.dtype[np.uint8]]:
    chance = np.random.default_rng(seed)
    image = np.full((96, 96), 120.0) + chance.normal(0, 4, (96, 1)) + chance.normal(0, 3, (96, 96))
    mask = np.zeros((96, 96), bool)
    if bad:
        x, y = chance.integers(20, 60, 2)
        mask[y : y + 16, x : x + 16] = True
        image[mask] = 20
    return np.asarray(np.clip(image, 0, 255), np.uint8), mask  # type: ignore[return-value]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 good to learn from, 12 good and 12 bad (with masks) to judge."""
    folder = tmp_path_factory.mktemp("plates")
    rows = []
    for k in range(48):
        bad = k >= 36
        image, mask = plate(k, bad=bad)
        cv2.imwrite(str(folder / f"{k}.png"), image)
        if bad:
            cv2.imwrite(str(folder / f"m{k}.png"), mask.astype(np.uint8) * 255)
        subset = "train" if k < 24 else "test"
        rows.append(
            [
                f"{k}.png",
                "ng" if bad else "ok",
                "blot" if bad else "",
                f"m{k}.png" if bad else "",
                "",
                "",
                subset,
                f"g{k}",
                "",
            ]
        )
    with (folder / "dataset.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "defect_type", "mask", "boxes", "split", "subset", "group", "extra"])
        table.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def package(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    done = run("teach", "--data", data, "--out", folder / "plate.jdk", "--state", folder, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["n_ok"] == 24
    assert result["provisional"] is True
    return folder / "plate.jdk"


def test_evaluate_finds_plain_defects_and_writes_every_key(data: Path, package: Path, tmp_path: Path) -> None:
    done = run("evaluate", package, "--data", data, "--json", tmp_path / "e.json", "--trust", package.parent / "trust")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "e.json").read_text())
    assert (found["n_ok"], found["n_ng"]) == (12, 12)
    assert found["image_auroc"] == 1.0
    assert found["escape"]["count"] == 0
    assert found["escape"]["upper95"] == pytest.approx(1 - 0.05 ** (1 / 12))
    assert found["pixel_auroc"] > 0.9
    assert found["aupro_30"] > 0.7
    assert set(found["recall_at_overkill"]) == {"0.01", "0.001"}
    assert set(found["latency_ms"]) == {"p50", "p99", "p999", "max"}
    assert len(found["scores"]) == 24
    assert set(found["scores"][0]) == {"path", "label", "score", "verdict"}
    assert found["per_class"]["blot"]["escape"]["n"] == 12
    assert found["recheck_share"] == 0


def test_each_method_s_limit_stops_plain_defects_and_passes_good_parts(data: Path, tmp_path: Path) -> None:
    for method in METHODS:
        path = tmp_path / f"{method}.jdk"
        done = run("teach", "--data", data, "--out", path, "--state", tmp_path, "--method", method)
        assert done.returncode == 0, done.stderr
        run("evaluate", path, "--data", data, "--json", tmp_path / "e.json")
        found = json.loads((tmp_path / "e.json").read_text())
        assert (found["escape"]["count"], found["escape"]["n"]) == (0, 12), method
        assert found["overkill"]["count"] <= 1, method


def test_position_statistics_never_saw_the_part_they_judge() -> None:
    chance = np.random.default_rng(2)
    patches = [chance.normal(0, 1, (16, 152)).astype(np.float32) for _ in range(15)]
    groups = [f"g{k}" for k in range(15)]
    odd = 4
    before = cross_fit(groups, patches, METHODS["gaussian"], lambda what, part: None)
    patches[odd] = patches[odd] * 50
    after = cross_fit(groups, patches, METHODS["gaussian"], lambda what, part: None)
    assert after.scores[odd] > 10 * before.scores[odd]  # had it widened its own spread, it would look usual


def test_what_the_data_cannot_tell_is_none(data: Path, package: Path, tmp_path: Path) -> None:
    run("evaluate", package, "--data", data, "--subset", "train", "--json", tmp_path / "e.json")
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["image_auroc"] is found["pixel_auroc"] is found["aupro_30"] is None
    assert found["escape"] == {"count": 0, "n": 0, "upper95": None}
    assert found["recall_at_overkill"] == {"0.01": None, "0.001": None}


def test_inspect_gives_one_verdict_a_line_equal_to_evaluate(data: Path, package: Path, tmp_path: Path) -> None:
    run("evaluate", package, "--data", data, "--json", tmp_path / "e.json")
    expected = {Path(one["path"]).name: one for one in json.loads((tmp_path / "e.json").read_text())["scores"]}
    done = run("inspect", package, data / "24.png", data / "40.png", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["verdict"] for line in lines] == [expected["24.png"]["verdict"], expected["40.png"]["verdict"]]
    assert [line["score"] for line in lines] == [expected["24.png"]["score"], expected["40.png"]["score"]]
    assert lines[1]["findings"]


def test_a_broken_picture_is_not_inspected_and_the_others_are(data: Path, package: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    done = run("inspect", package, tmp_path / "broken.png", data / "24.png")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith("NOT_INSPECTED")
    assert "broken.png" in first
    assert not second.startswith("NOT_INSPECTED")


@pytest.mark.parametrize("kind", ["few", "corrupt", "mixed", "missing", "method"])
def test_teach_refuses_in_one_line_what_it_cannot_learn_from(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in range(3 if kind == "few" else 12):
        cv2.imwrite(str(folder / f"{k:02}.png"), plate(k)[0])
    if kind == "corrupt":
        (folder / "05.png").write_bytes(b"\x89PNG broken")
    if kind == "mixed":
        cv2.imwrite(str(folder / "05.png"), np.dstack([plate(5)[0]] * 3))
    data = tmp_path / "none" if kind == "missing" else folder
    method = "magic" if kind == "method" else "auto"
    done = run("teach", "--data", data, "--out", tmp_path / "p.jdk", "--state", tmp_path, "--method", method)
    named = {
        "few": "3 good pictures",
        "corrupt": "05.png",
        "mixed": "05.png: 3 channels",
        "missing": "not there",
        "method": "magic",
    }
    assert done.returncode == (2 if kind == "method" else 1)
    assert named[kind] in done.stderr
    assert len([line for line in done.stderr.splitlines() if "jidoka:" in line]) == 1
    assert not (tmp_path / "p.jdk").exists()


def test_no_score_comes_from_a_bank_that_saw_its_picture_or_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.methods import nearest

    chance = np.random.default_rng(1)
    patches = [chance.normal(k, 0.01, (16, 152)).astype(np.float32) for k in range(10)]
    seen: list[set[int]] = []
    choose = nearest.choose

    def watched(given: list[Any], seed: int = 0) -> Any:
        seen.append({round(float(one.mean())) for one in given})
        return choose(given, seed)

    monkeypatch.setattr(nearest, "choose", watched)
    found = cross_fit([f"g{k // 2}" for k in range(10)], patches, METHODS["nearest"], lambda what, part: None)
    assert found.folds == len(seen) == 5
    for used in seen:
        assert all((k in used) == (k ^ 1 in used) for k in range(10))  # both of a group, or neither
        assert len(used) == 8
    own = METHODS["nearest"].fit(patches).distances(patches[0]).reshape(4, 4)
    assert min(found.scores) > score(own, None)


@pytest.mark.parametrize("n", [20, 40, 100, 300])
def test_the_tolerance_factor_is_that_of_the_noncentral_t(n: int) -> None:
    exact = stats.nct.ppf(0.95, n - 1, stats.norm.ppf(0.99) * np.sqrt(n)) / np.sqrt(n)
    assert tolerance_factor(n, 0.99) == pytest.approx(exact, rel=0.02)


def test_a_provisional_limit_carries_its_evidence() -> None:
    limits = provisional([1.0, 1.1, 1.2, 0.9, 1.05] * 4, Asked(0.01), 5)
    assert limits.ng > 1.2
    assert limits.provisional
    assert limits.evidence["n"] == 20
    assert provisional([1.0, 1.1, 1.2, 0.9, 1.05] * 4, Asked(0.05), 5).ng < limits.ng

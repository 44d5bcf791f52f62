"""`jidoka recipe placement`, and regions that follow the part while a package is taught."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.placement import small
from tests.models.test_placement import picture
from training.placement import Followed, looked_at
from vocabulary import DataError, SettingsError

REGION = (220, 180, 180, 90)


def jidoka(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    (folder / "train" / "good").mkdir(parents=True)
    chance = np.random.default_rng(3)
    for k in range(12):
        dx, dy = chance.integers(-20, 21, 2)
        cv2.imwrite(str(folder / "train" / "good" / f"{k:02}.png"), picture(k, (200 + int(dx), 150 + int(dy))))
    return folder


@pytest.fixture(scope="module")
def reference(data: Path) -> Path:
    done = jidoka("recipe", "placement", "--data", data, "--out", data / "top.placement", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["n_ok"], result["refused"]) == (12, 0)
    assert result["sha256"] in result["recipe"]
    return data / "top.placement"


def test_a_package_is_taught_on_regions_that_follow_the_part(data: Path, reference: Path, tmp_path: Path) -> None:
    """The region's corner is the part's: without following it the bar lies elsewhere in each picture."""
    its = Followed(reference, 60)
    path = data / "train" / "good" / "00.png"
    cuts = [looked_at(picture(70 + k, (200 + 5 * k, 150)), REGION, its, path) for k in range(5)]
    spread = np.std([small(one).mean(axis=0) for one in cuts], axis=0).max()
    still = [picture(70 + k, (200 + 5 * k, 150))[180:270, 220:400] for k in range(5)]
    assert spread < 0.5 * np.std([small(one).mean(axis=0) for one in still], axis=0).max()
    words = ["--data", data, "--out", tmp_path / "p.jdk", "--state", tmp_path, "--region", "220,180,180,90"]
    done = jidoka("teach", *words, "--follow", reference, "--json")
    assert done.returncode == 0, done.stderr
    again = jidoka("inspect", tmp_path / "p.jdk", path, "--region", "220,180,180,90", "--follow", reference, "--json")
    assert json.loads(again.stdout.splitlines()[-1])["verdict"] in ("OK", "NG")
    words = [tmp_path / "p.jdk", "--data", data, "--subset", "train", "--json", tmp_path / "f.json"]
    cv2.imwrite(str(data / "train" / "good" / "99.png"), picture(1))  # an empty nest
    done = jidoka("evaluate", *words, "--region", "220,180,180,90", "--follow", reference)
    assert done.returncode == 0, done.stderr
    verdicts = {
        Path(one["path"]).name: one["verdict"] for one in json.loads((tmp_path / "f.json").read_text())["scores"]
    }
    assert verdicts.pop("99.png") == "NOT_INSPECTED"
    assert set(verdicts.values()) <= {"OK", "NG"}


def test_what_cannot_be_followed_is_refused_in_one_line(data: Path, reference: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no whole part"):
        looked_at(picture(1), REGION, Followed(reference, 60), Path("empty.png"))
    with pytest.raises(SettingsError, match="jidoka recipe placement"):
        Followed(tmp_path / "none", 60)
    done = jidoka("teach", "--data", data, "--out", tmp_path / "p.jdk", "--follow", reference, "--state", tmp_path)
    assert (done.returncode, "--region" in done.stderr) == (2, True)
    done = jidoka("recipe", "placement", "--data", data, "--out", tmp_path / "x", "--empty", tmp_path)
    assert (done.returncode, "empty nest" in done.stderr) == (1, True)

"""The acceptance test of a camera finds what is wrong with it, exactly, and says so in a report."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from camera_drivers.check import check
from camera_drivers.check_report import html
from camera_drivers.drivers import camera
from vocabulary import DeviceError, DeviceLost, SettingsError


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camera_drivers.check.TIMEOUT_S", 0.4)


def checked(uri: str, triggers: int = 30, rate: float | None = None, **settings: float | str) -> dict[str, Any]:
    return check(camera(uri, "bench"), triggers, settings, rate, None)


def failed(result: dict[str, Any]) -> list[str]:
    assert result["passed"] is not bool([one for one in result["findings"] if not one["ok"]])
    return [one["what"] for one in result["findings"] if not one["ok"]]


def test_a_good_camera_passes() -> None:
    result = checked("sim:?seed=1&width=64&height=64", exposure_us=1500.0)
    assert failed(result) == []
    assert (result["lost"], result["size"], result["exposure_us"]) == (0, [64, 64], 1500.0)
    assert result["latency_ms"]["p50"] <= result["latency_ms"]["max"]


def test_losses_are_counted_exactly(soon: None) -> None:
    result = checked("sim:?seed=1&width=64&height=64&lose_every=10", 40)
    assert "lost triggers" in failed(result)
    assert result["lost"] == 4
    health = result["health"]
    assert health["triggers"] == health["delivered"] + health["incomplete"] + health["lost"]


def test_a_pylon_camera_over_its_vendors_emulation(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    for k in range(4):
        cv2.imwrite(str(tmp_path / f"{k}.png"), chance.integers(60, 180, (120, 160), np.uint8))
    size = {"width": 160.0, "height": 120.0, "pixel_format": "Mono8"}
    assert failed(checked("basler:", 50, image_folder=str(tmp_path), **size)) == []


@pytest.mark.parametrize(
    ("grey", "what"), [(2, "brightness"), (255, "saturated pixels"), (128, "pictures equal to the one before")]
)
def test_a_picture_that_shows_nothing_is_found(tmp_path: Path, grey: int, what: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((64, 64), grey, np.uint8))
    assert what in failed(checked(f"folder:{tmp_path}"))


def test_a_camera_slower_than_asked_does_not_pass() -> None:
    assert failed(checked("sim:?seed=1&width=64&height=64", 10, rate=1e6)) == ["frames a second"]


def test_a_camera_that_gives_nothing_is_an_error(tmp_path: Path, soon: None) -> None:
    with pytest.raises(DeviceLost):
        checked(f"folder:{tmp_path / 'none'}")
    with pytest.raises(DeviceError, match="no picture"):
        checked("sim:?seed=1&lose_every=1&width=64&height=64", 2)
    with pytest.raises(SettingsError, match="nonsense"):
        checked("sim:?seed=1", nonsense=1.0)


def test_the_report_is_whole_and_nothing_in_it_is_markup(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    command = [sys.executable, "-m", "cli", "camera", "check", "sim:?seed=1&width=64&height=64&lose_every=12"]
    done = subprocess.run(
        [*command, "--triggers", "13", "--report", str(path), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["lost"] == 1
    page = path.read_text()
    assert "NOT passed" in page
    assert "1 of 13" in page
    assert "<script" not in page
    result = json.loads(done.stdout)
    result["findings"][0]["found"] = "<img src=x>"
    assert "<img" not in html(result)

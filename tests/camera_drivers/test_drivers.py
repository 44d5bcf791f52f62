"""The table of drivers, and the commands that use it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from camera_drivers.drivers import DRIVERS, camera, discover, grab, probe
from camera_drivers.folder import read
from tests.camera_drivers.conftest import Stage
from vocabulary import DeviceError, DeviceLost, SettingsError


@pytest.mark.parametrize("scheme", DRIVERS)
def test_each_scheme_makes_its_driver(scheme: str) -> None:
    uris = {
        "folder": "folder:x",
        "video": "video:x",
        "simwire": "simwire:x?stage=y",
        "rtsp": "rtsp://x/y",
        "rtsps": "rtsps://x/y",
        "uvc": "uvc:0",
    }
    made = camera(uris.get(scheme, f"{scheme}:"), "top")
    assert made.info.driver == scheme
    assert made.name == "top"


def test_an_unknown_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="folder, sim, simwire, basler, rtsp, rtsps, video, uvc, gentl, gige"):
        camera("plate:42", "top")
    with pytest.raises(SettingsError, match="folder, sim, simwire, basler, rtsp, rtsps, video, uvc, gentl, gige"):
        discover("plate")
    with pytest.raises(SettingsError) as caught:
        camera("rstp://user:s3cret@camera/line", "top")
    assert "s3cret" not in str(caught.value)


def test_no_vendor_sdk_is_imported_before_it_is_asked_for() -> None:
    make = "camera('basler:', 'x'); camera('gige:', 'x')"
    code = f"import sys; from camera_drivers.drivers import camera; {make}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "camera_drivers.basler" in done.stdout
    assert not {"pypylon", "gi"} & set(done.stdout.split())


def test_discovery_goes_on_without_an_sdk_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"uvc", "gige"}  # whatever is at this computer
    assert {info.driver for info in discover(None)} - elsewhere == {"sim", "basler"}
    monkeypatch.setitem(sys.modules, "pypylon", None)
    assert {info.driver for info in discover(None)} - elsewhere == {"sim"}
    with pytest.raises(DeviceError, match="pip install"):
        discover("basler")


def test_a_probe_says_who_answered_or_that_nobody_did(stage: Stage) -> None:
    assert probe(f"folder:{stage.folder}").driver == "folder"
    assert probe("basler:").serial == "0815-0000"
    with pytest.raises(DeviceLost, match="12345"):
        probe("basler:12345")


def test_grabbed_pictures_are_files_and_failures_are_named(stage: Stage, tmp_path: Path) -> None:
    (stage.folder / "b.png").write_bytes(b"no picture")
    said = grab(f"folder:{stage.folder}", 4, tmp_path / "out")
    assert said["pictures"] == 2
    assert all("b.png" in why for why in said["failed"])
    assert len(said["failed"]) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000001.png", "000003.png"]
    assert np.array_equal(read(tmp_path / "out" / "000001.png", "test"), np.zeros((48, 64)))


def test_grabbing_nothing_at_all_is_an_error(stage: Stage, tmp_path: Path) -> None:
    stage.put(b"no picture")
    with pytest.raises(DeviceError, match=r"no picture of 2 came.*a\.png|b\.png"):
        grab(f"folder:{stage.folder}", 2, tmp_path / "out")


def test_grabbing_from_the_simulation_writes_its_truth(tmp_path: Path) -> None:
    said = grab("sim:?width=80&height=64&defect_share=1", 3, tmp_path / "out")
    assert said["ng"] == 3
    assert (tmp_path / "out" / "dataset.csv").is_file()


def test_an_output_folder_that_can_not_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="--out"):
        grab("sim:", 1, tmp_path / "file" / "out")

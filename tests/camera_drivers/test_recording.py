"""What was recorded is replayed pixel by pixel, in order, with what the camera said."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from camera_drivers.drivers import bench_settings, camera
from camera_drivers.folder import FolderCamera
from camera_drivers.recording import TABLE, record, write
from edge.messages import FrameReady, Picture
from edge.recorder.recording import Recording
from edge.settings import RecordingSettings
from vocabulary import DeviceError, Image, SettingsError, picture_hash

JIDOKA = [sys.executable, "-m", "cli"]


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / TABLE).open(newline="") as file:
        return list(csv.DictReader(file))


def replayed(folder: Path, count: int) -> list[str]:
    again = FolderCamera("again", str(folder))
    again.open()
    again.configure({})
    again.start()
    found = []
    for number in range(count):
        again.trigger(number)
        with again.next_frame(5) as frame:
            found.append(picture_hash(frame.image))
    again.close()
    return found


def test_a_camera_recorded_at_the_bench_is_replayed_bit_by_bit(tmp_path: Path) -> None:
    out = tmp_path / "recorded"
    command = [*JIDOKA, "camera", "record", "sim:?seed=3", "--count", "6", "--out", str(out)]
    done = subprocess.run([*command, "--set", "exposure_us=1500", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["frames"] == 6
    rows = lines(out)
    assert [row["trigger"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert {row["exposure_us"] for row in rows} == {"1500.0"}
    assert {row["encoder"] for row in rows} == {""}  # unknown
    assert replayed(out, 6) == [row["sha256"] for row in rows]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert "--set" in subprocess.run([*command, "--set", "x"], capture_output=True, text=True, check=False).stderr


def test_a_recording_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        write(tmp_path / "out", record(camera(f"folder:{tmp_path / 'none'}", "top"), 3, {}))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SettingsError, match="/proc/"):
        write(Path("/proc/none/out"), [])


def test_settings_of_the_bench_are_numbers_where_they_can_be() -> None:
    assert bench_settings(["width=320", "pixel_format=Mono8"]) == {"width": 320.0, "pixel_format": "Mono8"}


def ready(part: int, image: Image, name: str = "top") -> FrameReady:
    channels = 1 if image.ndim == 2 else 3
    picture = Picture(
        name, picture_hash(image), image.shape[1], image.shape[0], channels, part * 1000, part * 1000 + 5, "host", part,
        1000.0, None, 0, {"light": 0.9},
    )  # fmt: skip
    return FrameReady(1, part, 0, 1, picture, "OK", None, b"")


def pictures(count: int, *, colour: bool = False) -> list[Image]:
    chance = np.random.default_rng(1)
    return [chance.integers(0, 256, (24, 32, 3) if colour else (24, 32), np.uint8) for _ in range(count)]


def recording(folder: Path, frames: int = 4, keep: int = 2) -> Recording:
    return Recording(folder, RecordingSettings(frames=frames, keep=keep))


@pytest.mark.parametrize("colour", [False, True])
def test_the_last_pictures_are_written_out_as_they_came(tmp_path: Path, colour: bool) -> None:
    one, shown = recording(tmp_path), pictures(9, colour=colour)
    for part, image in enumerate(shown):
        one.add(ready(part, image), image)
        one.add(ready(part, shown[0], "side"), shown[0])
    assert one.dump("first", "test") == ""
    one.close()
    ((code, text, more),) = one.happened()
    assert (code, more["pictures"]) == ("recording_written", 8)
    assert "first" in text
    rows = lines(tmp_path / "first" / "top")
    assert [row["part"] for row in rows] == ["5", "6", "7", "8"]
    assert (rows[0]["health_light"], rows[0]["gain_db"]) == ("0.9", "")
    assert replayed(tmp_path / "first" / "top", 4) == [picture_hash(image) for image in shown[5:]]
    assert len(lines(tmp_path / "first" / "side")) == 4


def test_only_so_many_dumps_are_kept(tmp_path: Path) -> None:
    one = recording(tmp_path)
    one.add(ready(1, pictures(1)[0]), pictures(1)[0])
    for name in ("a", "b", "c"):
        assert one.dump(name, "test") == ""
        one.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]


def test_why_nothing_is_written_is_said(tmp_path: Path) -> None:
    assert "set [recording] frames" in recording(tmp_path, frames=0).dump("a", "test")
    one = recording(tmp_path)
    assert "no picture" in one.dump("a", "test")
    full = recording(Path("/proc/none"))
    full.add(ready(1, pictures(1)[0]), pictures(1)[0])
    assert full.dump("a", "test") == ""
    full.close()
    ((code, text, _),) = full.happened()
    assert code == "recording_failed"
    assert "/proc/none" in text

"""Frames on disk without loss, with what the camera said of each; `folder:` replays them in order.

FOLDER/000001.png … 8 bit, grey or colour, pixel by pixel as the driver gave them; `frames.csv` has a line for each.
"""

import csv
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2

from camera_drivers.camera import Camera, Capability, Frame
from camera_drivers.drivers import GRAB_LATENCY_MS
from vocabulary import DeviceError, Image, SettingsError, picture_hash

TABLE = "frames.csv"
COMPRESSION = 1  # zlib level: lossless all the same, three times faster than the default
Recorded = tuple[Mapping[str, Any], Image]  # what is known of a frame, and its pixels
TIMEOUT_S = 5.0  # for a person at the bench


def write(folder: Path, frames: Iterable[Recorded]) -> int:
    """All of them or nothing: the folder appears when it is whole. Returns how many. Raises SettingsError (disk)."""
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    try:
        if folder.exists():
            raise SettingsError(f"{folder}: is there already", "name a new folder")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        lines = [save(unfinished, n, *frame) for n, frame in enumerate(frames, 1)]
        with (unfinished / TABLE).open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(dict.fromkeys(name for line in lines for name in line)))
            table.writeheader()
            table.writerows(lines)
        unfinished.rename(folder)
    except OSError as err:
        raise SettingsError(f"{folder}: {err.strerror}", "free disk space, or name another folder") from err
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return len(lines)


def save(folder: Path, n: int, known: Mapping[str, Any], image: Image) -> dict[str, Any]:
    """One picture; its line of the table. Raises OSError."""
    colour = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    data = cv2.imencode(".png", colour, [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION])[1].tobytes()
    name = f"{n:06}.png"
    (folder / name).write_bytes(data)
    return {"file": name, "sha256": picture_hash(image), **known}


def told(frame: Frame) -> dict[str, Any]:
    """What the camera said of a frame; empty is unknown."""
    return {one.name: getattr(frame, one.name) for one in fields(frame) if one.name != "image"}


def record(camera: Camera, count: int, settings: Mapping[str, float | str]) -> Iterable[Recorded]:
    """So many frames of a camera that is not open yet; it is closed again. Raises DeviceError, SettingsError."""
    try:
        camera.open()
        free = Capability.FREE_RUNNING in camera.capabilities
        camera.configure({**({"latency_ms": GRAB_LATENCY_MS} if free else {}), **settings})
        camera.start()
        for number in range(1, count + 1):
            camera.trigger(number)
            with camera.next_frame(TIMEOUT_S) as frame:
                if frame.status != "ok":
                    raise DeviceError(camera.name, f"frame {number} is incomplete", "check cable and bandwidth")
                yield told(frame), frame.image
    finally:
        camera.close()

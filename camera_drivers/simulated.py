"""`sim:`: a camera above a belt of rendered parts, with ground truth and with faults on demand.

`sim:?seed=1&width=640&height=480&channels=1&defect_share=0.1`, and for tests `lose_every=N` (each N-th exposure has no
frame), `silent_after=N` (hangs after N exposures until it is opened again), `slow_ms=T` (the frame comes T later).
The picture of trigger k depends on the seed and k alone (and on exposure and gain, where they are set).
"""

import csv
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import cv2
import numpy as np

from camera_drivers.bookkeeping import Book
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from camera_drivers.rendered_parts import Belt, Truth
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, SettingsError

OPTIONS: dict[str, tuple[float, float, float]] = {  # option → default, least, most
    "seed": (1, 0, 2**32 - 1),
    "width": (640, 64, 8192),
    "height": (480, 64, 8192),
    "channels": (1, 1, 3),
    "defect_share": (0.1, 0, 1),
    "lose_every": (0, 0, 10**9),
    "silent_after": (0, 0, 10**9),
    "slow_ms": (0, 0, 60_000),
}
FRACTIONS = ("defect_share", "slow_ms")  # the other options are whole numbers
SETTINGS = {"exposure_us": (1000.0, 1.0, 100_000.0), "gain_db": (0.0, 0.0, 24.0)}  # default, least, most
BUFFERS = 5  # exposures kept until they are fetched; a further one is lost, as on a real camera
COLUMNS = ("path", "label", "defect_type", "mask", "boxes", "split", "subset", "group", "extra")


class SimulatedCamera:
    """`sim:?option=value&…`."""

    capabilities = frozenset({Capability.SOFTWARE_TRIGGER, Capability.EXPOSURE, Capability.GAIN})

    def __init__(self, name: str, rest: str) -> None:
        self.name, self.rest = name, rest
        its = options(rest, name)
        self.belt = Belt(
            int(its["seed"]), int(its["width"]), int(its["height"]), int(its["channels"]), its["defect_share"]
        )
        self.lose_every, self.silent_after = int(its["lose_every"]), int(its["silent_after"])
        self.slow_ns = int(its["slow_ms"] * 1e6)
        self.book = Book()
        self._open = self._armed = False
        self._exposures = 0  # since open, for the faults
        self._settings = {setting: default for setting, (default, _, _) in SETTINGS.items()}
        self._waiting: deque[tuple[int, int]] = deque()  # trigger number, time of its exposure

    @property
    def info(self) -> CameraInfo:
        """The seed is all there is to know."""
        return CameraInfo(f"sim:{self.rest}", "Jidoka", "simulated belt", str(self.belt.seed), "sim")

    def open(self) -> None:
        """Always there."""
        self.close()
        self._open, self._exposures = True, 0
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm; exposure and gain scale the brightness. Raises SettingsError."""
        self._alive()
        self.stop()
        new = {setting: default for setting, (default, _, _) in SETTINGS.items()}
        for setting, value in settings.items():
            if setting not in SETTINGS:
                raise SettingsError(f"camera {self.name}: {setting}: unknown setting", f"one of {', '.join(SETTINGS)}")
            _, least, most = SETTINGS[setting]
            if isinstance(value, str) or not least <= value <= most:
                raise SettingsError(f"camera {self.name}: {setting}: {value!r}", f"a number from {least} to {most}")
            new[setting] = float(value)
        self._settings = new
        self.book.epoch += 1
        return Applied(self.book.epoch, dict(new))

    def start(self) -> None:
        """Arm."""
        self._alive()
        self.stop()
        self.book.start()
        self._armed = True

    def stop(self) -> None:
        """Disarm; what was exposed and not fetched is lost."""
        self.book.lose(len(self._waiting))
        self._waiting.clear()
        self._armed = False

    def trigger(self, number: int) -> None:
        """Expose part `number`. Raises DeviceLost, DeviceError (not armed)."""
        self._alive()
        if not self._armed:
            raise DeviceError(self.name, "triggered while not armed", "call start first")
        self.book.triggers += 1
        self._exposures += 1
        unlucky = bool(self.lose_every) and self._exposures % self.lose_every == 0
        if unlucky or self._silent() or len(self._waiting) >= BUFFERS:
            self.book.lose()
        else:
            self._waiting.append((number, time.monotonic_ns()))

    def next_frame(self, timeout_s: float) -> Lease:
        """The oldest exposure. Raises DeviceTimeout."""
        self._alive()
        until_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        there_ns = self._waiting[0][1] + self.slow_ns if self._waiting else until_ns + 1
        time.sleep(max(0, min(until_ns, there_ns) - time.monotonic_ns()) / 1e9)
        if there_ns > until_ns:
            raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms")
        number, exposed_ns = self._waiting.popleft()
        image = self.picture(number)
        image.flags.writeable = False
        sequence, lost_before = self.book.frame(complete=True)
        frame = Frame(
            camera=self.name,
            sequence=sequence,
            session=self.book.session,
            device_frame_id=None,
            trigger=number,
            encoder=None,
            exposed_ns=exposed_ns,
            arrived_ns=time.monotonic_ns(),
            device_ns=None,
            clock="host",
            exposure_us=self._settings["exposure_us"],
            gain_db=self._settings["gain_db"],
            lost_before=lost_before,
            status="ok",
            pixel_format="Mono8" if image.ndim == 2 else "RGB8",
            configuration_epoch=self.book.epoch,
            image=image,
        )
        return Lease(frame)

    def picture(self, number: int) -> Image:
        """What an exposure of trigger `number` shows with the settings of now."""
        image, _ = self.belt.part(number)
        factor = self._settings["exposure_us"] / SETTINGS["exposure_us"][0] * 10 ** (self._settings["gain_db"] / 20)
        return image if factor == 1 else np.asarray(np.clip(image * np.float32(factor), 0, 255), np.uint8)

    def truth(self, number: int) -> Truth:
        """What is really on the picture of trigger `number`."""
        return self.belt.part(number)[1]

    def probe(self) -> None:
        """Raises DeviceLost while it hangs."""
        self._alive()
        if self._silent():
            raise DeviceLost(self.name, "does not answer", "it is opened again")

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Twice is harmless."""
        self.stop()
        self._open = False

    def _alive(self) -> None:
        if not self._open:
            raise DeviceLost(self.name, "is not open", "open it first")

    def _silent(self) -> bool:
        return bool(self.silent_after) and self._exposures > self.silent_after


def options(rest: str, name: str) -> dict[str, float]:
    """The options of a `sim:` URI. Raises SettingsError naming the option."""
    found = {option: default for option, (default, _, _) in OPTIONS.items()}
    for option, text in parse_qsl(rest.removeprefix("?"), keep_blank_values=True):
        if option not in OPTIONS:
            raise SettingsError(f"camera {name}: sim: {option}: unknown option", f"one of {', '.join(OPTIONS)}")
        _, least, most = OPTIONS[option]
        try:
            found[option] = float(text)
        except ValueError:
            found[option] = float("nan")
        if not least <= found[option] <= most or (option == "channels" and found[option] == 2):
            raise SettingsError(f"camera {name}: sim: {option}: {text!r}", f"a number from {least} to {most}")
        if option not in FRACTIONS and not found[option].is_integer():
            raise SettingsError(f"camera {name}: sim: {option}: {text!r}", f"a whole number from {least} to {most}")
    return found


def write_truth(camera: SimulatedCamera, pictures: dict[int, str], out: Path) -> dict[str, Any]:
    """`dataset.csv` and masks for pictures (trigger number → file name) that lie in `out`; every second part is train.

    Boxes are `x1 y1 x2 y2 type` in pixels, x2 and y2 exclusive, joined by `;`. Raises SettingsError (disk).
    """
    rows = []
    try:
        (out / "masks").mkdir(parents=True, exist_ok=True)
        for number, picture in pictures.items():
            truth = camera.truth(number)
            mask = f"masks/{number:06}.png" if truth.defect_type else ""
            if mask:
                (out / mask).write_bytes(cv2.imencode(".png", truth.mask)[1].tobytes())
            boxes = ";".join(f"{x} {y} {x + w} {y + h} {truth.defect_type}" for x, y, w, h in truth.boxes)
            subset, group = "train" if number % 2 else "test", f"sim-{camera.belt.seed}-{number}"
            extra = f"trigger={number}"
            rows.append([picture, truth.label, truth.defect_type, mask, boxes, "simulated", subset, group, extra])
        with (out / "dataset.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    except OSError as err:
        raise SettingsError(f"{out}: {err.strerror}", "name a folder that can be written") from err
    labels = [row[1] for row in rows]
    return {"ok": labels.count("ok"), "ng": labels.count("ng"), "dataset": str(out / "dataset.csv")}


def discover() -> list[CameraInfo]:
    """One is always there."""
    return [SimulatedCamera("sim", "").info]

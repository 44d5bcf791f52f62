"""Which driver serves which URI. Nothing is imported until a camera of that kind is asked for."""

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2

from camera_drivers.camera import Camera, CameraInfo, Capability, Frame
from vocabulary import DeviceError, DeviceTimeout, SettingsError, Unsupported

DRIVERS = {  # scheme → module, class
    "folder": ("camera_drivers.folder", "FolderCamera"),
    "sim": ("camera_drivers.simulated", "SimulatedCamera"),
    "simwire": ("camera_drivers.simulated_wired", "WiredCamera"),
    "basler": ("camera_drivers.basler", "BaslerCamera"),
    "rtsp": ("camera_drivers.stream", "RtspCamera"),
    "rtsps": ("camera_drivers.stream", "RtspsCamera"),
    "video": ("camera_drivers.stream", "VideoCamera"),
    "uvc": ("camera_drivers.uvc", "UvcCamera"),
    "gige": ("camera_drivers.gige", "GigeCamera"),
}
GRAB_TIMEOUT_S = 5.0  # for a person at the bench, not for the line
GRAB_LATENCY_MS = 500.0  # likewise: no picture of what was there half a second before


def camera(uri: str, name: str) -> Camera:
    """The camera at `uri`, not opened. Raises SettingsError for an unknown scheme or a malformed URI."""
    scheme, _, rest = uri.partition(":")
    if scheme not in DRIVERS:
        raise SettingsError(f"camera {name}: uri: no driver {scheme!r}", f"one of {', '.join(DRIVERS)}")
    module, kind = DRIVERS[scheme]
    made: Camera = getattr(import_module(module), kind)(name, rest)
    return made


def discover(scheme: str | None) -> list[CameraInfo]:
    """Cameras that can be found now, of one scheme or of all. Raises SettingsError; Unsupported if asked by scheme."""
    if scheme is not None and scheme not in DRIVERS:
        raise SettingsError(f"camera driver {scheme!r} is unknown", f"one of {', '.join(DRIVERS)}")
    found: list[CameraInfo] = []
    for one in [scheme] if scheme else DRIVERS:
        try:
            found += import_module(DRIVERS[one][0]).discover()
        except Unsupported:  # its SDK is not installed: no news unless it was asked for
            if scheme is not None:
                raise
    return found


def probe(uri: str) -> CameraInfo:
    """Open the camera, configure nothing, read one living value, close. Raises DeviceError, SettingsError."""
    one = camera(uri, uri.partition(":")[0])
    try:
        one.open()
        one.configure({})
        one.probe()
        return one.info
    finally:
        one.close()


def grab(uri: str, count: int, out: Path) -> dict[str, Any]:
    """Expose `count` times and save what came as `out/000001.png` …; `sim:` also writes its ground truth.

    Exposures without a picture are named in `failed`. Raises DeviceError when none came, SettingsError.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise SettingsError(f"--out {out}: {err.strerror}", "name a folder that can be written") from err
    one = camera(uri, uri.partition(":")[0])
    pictures, failed = grab_pictures(one, count, out)
    if not pictures:
        raise DeviceError(one.name, f"no picture of {count} came", failed[-1])
    found = {"pictures": len(pictures), "failed": failed, "out": str(out), "camera": asdict(one.info)}
    if one.name == "sim":
        from camera_drivers.simulated import SimulatedCamera, write_truth

        if isinstance(one, SimulatedCamera):
            found |= write_truth(one, pictures, out)
    return found


def grab_pictures(one: Camera, count: int, out: Path) -> tuple[dict[int, str], list[str]]:
    """Trigger number → file name of what came from a camera that is not open yet (it is closed again), and what failed.

    Raises DeviceError, SettingsError (disk).
    """
    pictures: dict[int, str] = {}
    failed: list[str] = []
    try:
        one.open()
        one.configure({"latency_ms": GRAB_LATENCY_MS} if Capability.FREE_RUNNING in one.capabilities else {})
        one.start()
        for number in range(1, count + 1):
            try:
                one.trigger(number)
                with one.next_frame(GRAB_TIMEOUT_S) as frame:
                    save(frame, out / f"{number:06}.png")
                pictures[number] = f"{number:06}.png"
            except DeviceTimeout as err:
                failed.append(str(err))
                one.stop()
                one.start()
    finally:
        one.close()
    return pictures, failed


def save(frame: Frame, path: Path) -> None:
    """One complete frame as PNG. Raises DeviceTimeout (incomplete), SettingsError (disk)."""
    if frame.status != "ok":
        raise DeviceTimeout(
            frame.camera, f"frame of trigger {frame.trigger} is incomplete", "check cable and bandwidth"
        )
    picture = frame.image if frame.image.ndim == 2 else cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), picture):
        raise SettingsError(f"{path}: can't be written", "free disk space or choose another --out")

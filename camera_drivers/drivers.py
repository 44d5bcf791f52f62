"""Which driver serves which URI. Nothing is imported until a camera of that kind is asked for.

Drivers of others are entry points of the group `jidoka.cameras`: the name is the scheme, the object the camera's class;
its module may have a `discover()` as ours have.
"""

from dataclasses import asdict
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
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
    "gentl": ("camera_drivers.gentl", "GentlCamera"),
    "gige": ("camera_drivers.gige", "GigeCamera"),
}
GROUP = "jidoka.cameras"
Settings = dict[str, float | str]

GRAB_TIMEOUT_S = 5.0  # for a person at the bench, not for the line
GRAB_LATENCY_MS = 500.0  # likewise: no picture of what was there half a second before


def camera(uri: str, name: str) -> Camera:
    """The camera at `uri`, not opened. Raises SettingsError for an unknown scheme or a malformed URI."""
    scheme, _, rest = uri.partition(":")
    known = table()
    if scheme not in known:
        raise SettingsError(f"camera {name}: uri: no driver {scheme!r}", f"one of {', '.join(known)}")
    module, kind = known[scheme]
    found = getattr(loaded(scheme, module), kind, None)
    if found is None:
        raise Unsupported(name, f"driver {scheme}: {module} has no {kind}", "mend that package's entry point")
    made: Camera = found(name, rest)
    return made


def table() -> dict[str, tuple[str, str]]:
    """Scheme → module and class: ours, then those of installed packages; nobody takes one of ours."""
    return DRIVERS | {one.name: (one.module, one.attr) for one in entry_points(group=GROUP) if one.name not in DRIVERS}


def loaded(scheme: str, module: str) -> ModuleType:
    """The driver's module. Raises Unsupported: a package's own import failed."""
    try:
        return import_module(module)
    except ImportError as err:
        raise Unsupported(f"driver {scheme}", f"can't be imported: {err}", "mend or remove that package") from err


def discover(scheme: str | None) -> list[CameraInfo]:
    """Cameras that can be found now, of one scheme or of all. Raises SettingsError; Unsupported if asked by scheme."""
    known = table()
    if scheme is not None and scheme not in known:
        raise SettingsError(f"camera driver {scheme!r} is unknown", f"one of {', '.join(known)}")
    found: list[CameraInfo] = []
    modules = {module: one for one, (module, _) in known.items() if scheme in (None, one)}
    for module, one in modules.items():
        try:
            found += getattr(loaded(one, module), "discover", list)()
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
    pictures, failed, settings = grab_pictures(one, count, out)
    if not pictures:
        raise DeviceError(one.name, f"no picture of {count} came", failed[-1])
    found = {"pictures": len(pictures), "failed": failed, "out": str(out)}
    found |= {"camera": asdict(one.info), "settings": settings}
    if one.name == "sim":
        from camera_drivers.simulated import SimulatedCamera, write_truth

        if isinstance(one, SimulatedCamera):
            found |= write_truth(one, pictures, out)
    return found


def grab_pictures(one: Camera, count: int, out: Path) -> tuple[dict[int, str], list[str], Settings]:
    """From a camera that is not open yet (it is closed again).

    Returns: trigger number → file name of what came, what failed, the settings that it had.
    Raises DeviceError, SettingsError (disk).
    """
    pictures: dict[int, str] = {}
    failed: list[str] = []
    try:
        one.open()
        settings: Settings = {"latency_ms": GRAB_LATENCY_MS} if Capability.FREE_RUNNING in one.capabilities else {}
        one.configure(settings)
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
    return pictures, failed, settings


def bench_settings(words: list[str]) -> Settings:
    """`NAME=VALUE` as the driver wants it: a number where it is one. Raises SettingsError."""
    found: Settings = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise SettingsError(f"--set {word!r}", "NAME=VALUE, e.g. exposure_us=2000")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found


def save(frame: Frame, path: Path) -> None:
    """One complete frame as PNG. Raises DeviceTimeout (incomplete), SettingsError (disk)."""
    if frame.status != "ok":
        raise DeviceTimeout(
            frame.camera, f"frame of trigger {frame.trigger} is incomplete", "check cable and bandwidth"
        )
    picture = frame.image if frame.image.ndim == 2 else cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), picture):
        raise SettingsError(f"{path}: can't be written", "free disk space or choose another --out")

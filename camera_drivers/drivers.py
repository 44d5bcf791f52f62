"""Which driver serves which URI. Nothing is imported until a camera of that kind is asked for."""

from importlib import import_module

from camera_drivers.camera import Camera, CameraInfo
from vocabulary import SettingsError

DRIVERS = {  # scheme → module, class
    "folder": ("camera_drivers.folder", "FolderCamera"),
    "sim": ("camera_drivers.simulated", "SimulatedCamera"),
    "basler": ("camera_drivers.basler", "BaslerCamera"),
}


def camera(uri: str, name: str) -> Camera:
    """The camera at `uri`, not opened. Raises SettingsError for an unknown scheme or a malformed URI."""
    scheme, _, rest = uri.partition(":")
    if scheme not in DRIVERS:
        raise SettingsError(f"camera {name}: uri {uri!r}: no driver {scheme!r}", f"one of {', '.join(DRIVERS)}")
    module, kind = DRIVERS[scheme]
    made: Camera = getattr(import_module(module), kind)(name, rest)
    return made


def discover(scheme: str | None) -> list[CameraInfo]:
    """Cameras that can be found now, of one scheme or of all. Raises SettingsError, Unsupported (SDK missing)."""
    if scheme is not None and scheme not in DRIVERS:
        raise SettingsError(f"camera driver {scheme!r} is unknown", f"one of {', '.join(DRIVERS)}")
    found: list[CameraInfo] = []
    for one in [scheme] if scheme else DRIVERS:
        found += import_module(DRIVERS[one][0]).discover()
    return found

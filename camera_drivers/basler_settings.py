"""Settings of Basler cameras: which feature of the camera each one is, written and read back.

Feature names are tried in order, because they differ by camera family (SFNC 2 for USB and ace 2, older names for GigE).
The SDK comes as an argument: only `basler.py` imports it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camera_drivers.pixels import NAMES
from vocabulary import SettingsError

FEATURES: dict[str, tuple[str, ...]] = {  # our setting → the vendor's feature, first that the camera has; in this order
    "pixel_format": ("PixelFormat",),
    "width": ("Width",),
    "height": ("Height",),
    "offset_x": ("OffsetX",),
    "offset_y": ("OffsetY",),
    "exposure_us": ("ExposureTimeAbs", "ExposureTime"),  # the emulation has both and obeys the first (measured)
    "gain_db": ("Gain", "GainAbs"),  # GainRaw is no decibel: a camera with that alone has no gain_db
    "black_level": ("BlackLevel", "BlackLevelAbs"),  # the camera's own unit
    "trigger_source": ("TriggerSource",),
    "line_debounce_us": ("LineDebouncerTime", "LineDebouncerTimeAbs"),  # of the line that triggers
    "exposure_active_line": ("LineSource",),  # this line is on while the sensor exposes: for a strobe or the PLC
    "bandwidth_limit": ("DeviceLinkThroughputLimit",),  # bytes per second, so that several cameras share a cable
}
EMULATION_FOLDER = "image_folder"  # only the emulated camera has pictures to show
EMULATION_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
EMULATION_MIN_PICTURES = 2  # measured: with one file the emulation caches it for ever, with two it reads each exposure


class Features:
    """The features of one open camera. The SDK's own errors (of a lost device) pass through."""

    def __init__(self, name: str, camera: Any, pylon: Any) -> None:
        self.name, self.camera, self.pylon = name, camera, pylon

    def apply(self, asked: Mapping[str, float | str]) -> dict[str, float | str]:
        """Write in the order of FEATURES; every value as the camera now has it. Raises SettingsError naming one."""
        values: dict[str, float | str] = {}
        if EMULATION_FOLDER in asked:
            values[EMULATION_FOLDER] = self.show_pictures(str(asked[EMULATION_FOLDER]))
        for offset, size in (("offset_x", "width"), ("offset_y", "height")):
            if size in asked and self.node(offset) is not None:
                self.node(offset).Value = 0  # an old offset would limit the size
        for name in (name for name in FEATURES if name in asked):
            self.prepare(name, asked)
            values[name] = self.write(name, asked[name])
        return values

    def node(self, name: str) -> Any:
        """The camera's feature for one of our settings; None: it has none."""
        nodes = self.camera.GetNodeMap()
        found = (feature for feature in FEATURES[name] if nodes.GetNode(feature) is not None)
        feature = next(found, None)
        return getattr(self.camera, feature) if feature else None

    def prepare(self, name: str, asked: Mapping[str, float | str]) -> None:
        """What must be chosen before this feature is the right one. Raises SettingsError."""
        if self.node(name) is None:
            return  # `write` says so
        if name == "bandwidth_limit":
            self.camera.DeviceLinkThroughputLimitMode.Value = "On"
        if name == "line_debounce_us":
            line = str(asked.get("trigger_source", "software"))
            if line == "software":
                what = f"camera {self.name}: line_debounce_us: no line triggers it"
                raise SettingsError(what, "trigger_source = 'line1', or remove it")
            self.choose_line(name, line)
        if name == "exposure_active_line":
            self.choose_line(name, str(asked[name]))
            self.camera.LineMode.Value = "Output"

    def choose_line(self, name: str, line: str) -> None:
        """What is written next is this line's. Raises SettingsError."""
        known = [str(one) for one in self.camera.LineSelector.Symbolics]
        if line.capitalize() not in known:
            remedy = f"one of {', '.join(one.lower() for one in known)}"
            raise SettingsError(f"camera {self.name}: {name}: {line!r}", remedy)
        self.camera.LineSelector.Value = line.capitalize()

    def write(self, name: str, value: float | str) -> float | str:
        """Write one setting, read it back. Raises SettingsError naming it."""
        pylon, node = self.pylon, self.node(name)
        if node is None:
            raise SettingsError(f"camera {self.name}: {name}: this camera has no such feature", "remove it")
        wrong = (pylon.OutOfRangeException, pylon.InvalidArgumentException, pylon.AccessException)
        try:
            if name == "exposure_active_line":
                node.Value = "ExposureActive"
                return str(self.camera.LineSelector.Value).lower()
            if name == "trigger_source":
                node.Value = str(value).capitalize()  # software, line1 → Software, Line1
                return str(node.Value).lower()
            if isinstance(value, float) and value.is_integer() and isinstance(node, pylon.IntegerParameter):
                value = int(value)
            node.Value = value
            read: float | str = node.Value
        except TypeError as err:
            what = f"camera {self.name}: {name}: {value!r} has the wrong type"
            raise SettingsError(what, "a value it takes") from err
        except wrong as err:
            raise SettingsError(f"camera {self.name}: {name}: {value!r}", one_line(err)) from err
        return read

    def number(self, name: str) -> float | None:
        """A number as the camera has it; None: it has none."""
        node = self.node(name)
        return float(node.Value) if node is not None else None

    def pixel_format(self) -> str:
        """What the camera sends. Raises SettingsError where no picture can be made of it."""
        sent = str(self.camera.PixelFormat.Value)
        if sent not in NAMES:
            offered = [name for name in self.camera.PixelFormat.Symbolics if name in NAMES]
            raise SettingsError(f"camera {self.name}: pixel_format: {sent}", f"one of {', '.join(offered)}")
        return sent

    def show_pictures(self, folder: str) -> str:
        """Give the emulated camera a folder to look at. Raises SettingsError."""
        what = f"camera {self.name}: {EMULATION_FOLDER}"
        if self.camera.GetNodeMap().GetNode("ImageFilename") is None:
            raise SettingsError(f"{what}: only an emulated camera has it", "remove it")
        found = Path(folder).iterdir() if Path(folder).is_dir() else iter(())
        count = sum(path.suffix.lower() in EMULATION_SUFFIXES for path in found)
        if count < EMULATION_MIN_PICTURES:
            remedy = f"at least {EMULATION_MIN_PICTURES}: the emulation never reads a single one again"
            raise SettingsError(f"{what}: {folder} holds {count} pictures", remedy)
        self.camera.TestImageSelector.Value = "Off"
        self.camera.ImageFilename.Value = folder
        self.camera.ImageFileMode.Value = "On"
        return str(self.camera.ImageFilename.Value)


def checked(camera: str, asked: Mapping[str, float | str]) -> None:
    """Refuse unknown names before anything is written. Raises SettingsError."""
    known = [*FEATURES, EMULATION_FOLDER]
    for name in asked:
        if name not in known:
            raise SettingsError(f"camera {camera}: {name}: unknown setting", f"one of {', '.join(known)}")


def differences(asked: Mapping[str, float | str], got: Mapping[str, float | str]) -> dict[str, str]:
    """Asked values that the camera rounded to its own steps."""
    return {
        name: f"asked {value}, the camera has {got[name]}"
        for name, value in asked.items()
        if not isinstance(value, str) and abs(float(got[name]) - value) > 1e-6 * max(1.0, abs(value))
    }


def one_line(err: object) -> str:
    """The SDK's words without its source positions."""
    return str(err).split(" : ")[0].split("(file")[0].strip() or type(err).__name__

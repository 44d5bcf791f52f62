"""Settings of a camera behind a GenTL producer: nodes of its own description, looked for and never assumed.

Ours (`exposure_us` …) go to the first node of FEATURES that the camera has; a name of the camera's own
(`BouncingBallSize`) to that node. Each is written by its node's type and read back. The SDK comes as an argument.
"""

from collections.abc import Mapping
from typing import Any

from camera_drivers.basler_settings import one_line
from camera_drivers.pixels import NAMES
from vocabulary import SettingsError

FEATURES: dict[str, tuple[str, ...]] = {  # ours → SFNC 2 name, then those of older cameras; written in this order
    "pixel_format": ("PixelFormat",),
    "width": ("Width",),
    "height": ("Height",),
    "offset_x": ("OffsetX",),
    "offset_y": ("OffsetY",),
    "exposure_us": ("ExposureTime", "ExposureTimeAbs"),
    "gain_db": ("Gain", "GainAbs"),  # only where it is a float: a raw integer is no decibel
    "black_level": ("BlackLevel", "BlackLevelAbs"),
    "frame_rate": ("AcquisitionFrameRate", "AcquisitionFrameRateAbs"),
}
FLOATS = ("exposure_us", "gain_db", "frame_rate")
DRIVER = ("latency_ms", "trigger_source")  # not the camera's
FREE = "free"  # trigger_source: nothing makes it expose
Settings = Mapping[str, float | str]


class Nodes:
    """The features of one open camera. The SDK's own errors (of a lost device) pass through."""

    def __init__(self, camera: str, node_map: Any, genapi: Any) -> None:
        self.camera, self.map, self.genapi = camera, node_map, genapi
        self._absent = (genapi.EAccessMode.NI, genapi.EAccessMode.NA)

    def node(self, *names: str) -> Any:
        """The first of these that the camera has and lets us use; None: it has none."""
        for name in names:
            if self.map.has_node(name) and getattr(self.map, name).get_access_mode() not in self._absent:
                return getattr(self.map, name)
        return None

    def ours(self, name: str) -> Any:
        """The node of one of our settings; None: there is none that means the same."""
        node = self.node(*FEATURES[name])
        return None if name in FLOATS and not isinstance(node, self.genapi.IFloat) else node

    def apply(self, asked: Settings) -> dict[str, float | str]:
        """Write; every value as the camera now has it. Raises SettingsError naming one."""
        for offset, size in (("offset_x", "width"), ("offset_y", "height")):
            if size in asked and (node := self.ours(offset)) is not None:
                node.value = 0  # an old offset would limit the size
        order = [name for name in FEATURES if name in asked]
        order += [name for name in asked if name not in FEATURES and name not in DRIVER]
        return {name: self.write(name, asked[name]) for name in order}

    def write(self, name: str, value: float | str) -> float | str:
        """One setting, read back. Raises SettingsError."""
        node = self.ours(name) if name in FEATURES else self.node(name)
        if node is None:
            known = ", ".join([*(one for one in FEATURES if self.ours(one) is not None), *DRIVER])
            raise SettingsError(
                f"camera {self.camera}: {name}: this camera has no such feature", f"{known}, or a node's own name"
            )
        try:
            node.value = self._typed(node, value)
            return plain(node.value)
        except (TypeError, ValueError) as err:
            what = f"camera {self.camera}: {name}: {value!r} has the wrong type"
            raise SettingsError(what, f"a value as the camera has it now: {plain(node.value)!r}") from err
        except self.genapi.GenericException as err:
            raise SettingsError(f"camera {self.camera}: {name}: {value!r}", one_line(err)) from err

    def number(self, name: str) -> float | None:
        """A number as the camera has it; None: it has none."""
        node = self.ours(name)
        return None if node is None else float(node.value)

    def pixel_format(self) -> str:
        """What the camera sends. Raises SettingsError where no picture can be made of it."""
        node = self.ours("pixel_format")
        sent = str(node.value) if node is not None else ""
        if sent not in NAMES:
            offered = [name for name in (node.symbolics if node is not None else ()) if name in NAMES]
            raise SettingsError(f"camera {self.camera}: pixel_format: {sent}", f"one of {', '.join(offered) or 'none'}")
        return sent

    def trigger_sources(self) -> dict[str, str]:
        """What can make it expose, by our name (software, line1 …); empty: it runs free and nothing else."""
        mode, source = self.node("TriggerMode"), self.node("TriggerSource")
        if mode is None or source is None or "On" not in mode.symbolics:
            return {}
        names = {str(one).lower(): str(one) for one in source.symbolics}
        if self.node("TriggerSoftware") is None:
            names.pop("software", None)
        return names

    def choose_trigger(self, source: str, known: Mapping[str, str]) -> None:
        """Arm one source, or none (FREE). Raises SettingsError."""
        if source != FREE and source not in known:
            remedy = f"one of {', '.join([FREE, *known])}"
            raise SettingsError(f"camera {self.camera}: trigger_source: {source!r}", remedy)
        selector, mode = self.node("TriggerSelector"), self.node("TriggerMode")
        if selector is not None and "FrameStart" in selector.symbolics:
            put(selector, "FrameStart")
        if mode is not None:
            put(mode, "Off" if source == FREE else "On")
        if source != FREE:
            put(self.node("TriggerSource"), known[source])
        if (acquisition := self.node("AcquisitionMode")) is not None and "Continuous" in acquisition.symbolics:
            put(acquisition, "Continuous")

    def _typed(self, node: Any, value: float | str) -> float | int | bool | str:
        """As the node wants it. Raises ValueError."""
        if isinstance(node, self.genapi.IEnumeration | self.genapi.IString):
            if not isinstance(value, str):
                raise ValueError(value)
            return value
        if isinstance(node, self.genapi.IBoolean):
            return bool(("false", "true").index(value) if isinstance(value, str) else value)
        if isinstance(value, str):
            raise ValueError(value)
        if isinstance(node, self.genapi.IInteger):
            if not float(value).is_integer():
                raise ValueError(value)
            return int(value)
        return float(value)


def put(node: Any, value: str) -> None:
    """Write what is not so already: a node with one choice may refuse to be written."""
    if str(node.value) != value:
        node.value = value


def plain(value: Any) -> float | str:
    """A node's value for our books: a number or a word."""
    return value if isinstance(value, int | float | str) else str(value)

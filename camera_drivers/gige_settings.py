"""What a GigE Vision camera is set to: the table of features, written and read back.

Aravis' objects come from `gige.py`, which alone imports Aravis. Features are looked for, never assumed. "Measured" is
Aravis 0.8.26 against its fake camera.
"""

import math
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camera_drivers.pixels import NAMES
from vocabulary import SettingsError

FEATURES: dict[str, tuple[str, ...]] = {  # our setting → GenICam SFNC 2.x name, then older ones; written in this order
    "pixel_format": ("PixelFormat",),
    "width": ("Width",),
    "height": ("Height",),
    "offset_x": ("OffsetX",),
    "offset_y": ("OffsetY",),
    "exposure_us": ("ExposureTime", "ExposureTimeAbs"),
    "gain_db": ("Gain", "GainAbs"),  # GainRaw is no decibel: a camera with that alone has no gain_db
    "black_level": ("BlackLevel", "BlackLevelRaw"),  # in the camera's own unit
    "packet_size": ("GevSCPSPacketSize",),  # bytes with IP and UDP header; "auto": the largest that comes through
    "heartbeat_ms": ("GevHeartbeatTimeout",),  # silence after which the camera frees itself; Aravis asks each second
    "trigger_source": ("TriggerSource",),
}
OURS = ("packet_socket", "packet_resend", "socket_buffer_mb")  # of the receiver: on/off, on/off, 1e6 bytes
FIXED = {"AcquisitionMode": "Continuous", "ExposureAuto": "Off", "GainAuto": "Off"}  # SFNC; where the camera has them
OLD_NAMES = {"RGB8Packed": "RGB8", "BGR8Packed": "BGR8"}  # SFNC 1.x → PFNC
TRIGGER = {"TriggerSelector": "FrameStart", "TriggerMode": "On"}  # SFNC
RECEIVE_LIMIT = Path("/proc/sys/net/core/rmem_max")  # socket(7): larger SO_RCVBUF is cut to this without an error
DEVICE_ERRORS = "arv-device-error-quark"  # GLib error domain of Aravis.DeviceError; all but these are about features


class GigeSettings:
    """The settings of one camera. `camera` is Aravis' object while it is open, and nowhere a local variable:

    an error that someone keeps would keep a dead device with it, and Aravis takes seconds to let go of one.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.aravis: Any = None
        self.error: Any = None  # the class of all errors that Aravis raises
        self.camera: Any = None  # Aravis.Camera, None while closed
        self.values: dict[str, float | str] = {}  # as last read back
        self.width = self.height = 0
        self.pixel_format = "Mono8"  # PFNC
        self.exposure_us: float | None = None
        self.gain_db: float | None = None

    @property
    def device(self) -> Any:
        """Aravis.GvDevice: registers and features."""
        return self.camera.get_device()

    def identity(self) -> tuple[str, str, str]:
        """Vendor, model, serial number."""
        return (
            self.camera.get_vendor_name(),
            self.camera.get_model_name(),
            self.camera.get_device_serial_number(),
        )

    def apply(self, settings: Mapping[str, float | str]) -> dict[str, float | str]:
        """Write all in the order of FEATURES, read back. Raises SettingsError naming the setting, or Aravis' error."""
        known = [*FEATURES, *OURS]
        for name in settings:
            if name not in known:
                raise SettingsError(f"camera {self.name}: {name}: unknown setting", f"one of {', '.join(known)}")
        defaults = {"trigger_source": "software", "packet_size": "auto", "packet_socket": "on"}
        asked: dict[str, float | str] = {**defaults, **settings}
        values = self._receive(asked)
        self.camera.clear_triggers()  # of every selector
        for feature, value in FIXED.items():
            if self.device.is_feature_available(feature):
                self.device.set_string_feature_value(feature, value)
        for feature, value in TRIGGER.items():
            self.device.set_string_feature_value(feature, value)
        for offset, size in (("offset_x", "width"), ("offset_y", "height")):
            if size in asked and (old := self.feature(offset)) is not None:
                self.device.set_integer_feature_value(old, 0)  # else it limits the size
        values |= {name: self.write(name, asked[name]) for name in FEATURES if name in asked}
        self.exposure_us, self.gain_db = self.number("exposure_us"), self.number("gain_db")
        said = self.device.get_string_feature_value("PixelFormat")
        self.pixel_format = OLD_NAMES.get(said, said)
        if self.pixel_format not in NAMES:
            raise SettingsError(f"camera {self.name}: pixel_format: {said}", f"one of {', '.join(NAMES)}")
        self.width, self.height = (self.device.get_integer_feature_value(name) for name in ("Width", "Height"))
        self.values = values
        return values

    def feature(self, name: str) -> str | None:
        """The camera's feature for one of our settings; None: it has none."""
        return next((one for one in FEATURES[name] if self.device.is_feature_available(one)), None)

    def stream(self) -> Any:
        """A new stream that receives as set."""
        stream = self.camera.create_stream(None, None)
        resend = "NEVER" if self.values.get("packet_resend") == "off" else "ALWAYS"
        stream.set_property("packet-resend", getattr(self.aravis.GvStreamPacketResend, resend))
        if "socket_buffer_mb" in self.values:
            stream.set_property("socket-buffer", self.aravis.GvStreamSocketBuffer.FIXED)
            stream.set_property("socket-buffer-size", round(float(self.values["socket_buffer_mb"]) * 1e6))
        return stream

    def number(self, name: str) -> float | None:
        """What the camera has; None: it has no such feature."""
        feature = self.feature(name)
        return None if feature is None else float(self._accessor("get", feature, "value")(feature))

    def _accessor(self, verb: str, feature: str, what: str) -> Any:
        """Aravis' method for the feature's own kind of number."""
        word = "float" if isinstance(self.device.get_feature(feature), self.aravis.GcFloat) else "integer"
        return getattr(self.device, f"{verb}_{word}_feature_{what}")

    def write(self, name: str, value: float | str) -> float | str:
        """Write one setting, read it back. Raises SettingsError naming it, or Aravis' error of a lost device."""
        aravis, feature, what = self.aravis, self.feature(name), f"camera {self.name}: {name}: {value!r}"
        if (name, value) == ("packet_size", "auto"):
            return int(self.camera.gv_auto_packet_size())
        if feature is None:
            raise SettingsError(f"camera {self.name}: {name}: this camera has no such feature", "remove it")
        kind = self.device.get_feature(feature)
        try:
            if isinstance(kind, aravis.GcEnumeration):
                wanted = str(value).capitalize() if name == "trigger_source" else str(value)  # line1 → Line1
                entries = self.device.dup_available_enumeration_feature_values_as_strings(feature)
                if wanted not in entries:
                    raise SettingsError(what, f"one of {', '.join(sorted(entries))}")
                self.device.set_string_feature_value(feature, wanted)
                read = str(self.device.get_string_feature_value(feature))
                return read.lower() if name == "trigger_source" else read
            whole = not isinstance(kind, aravis.GcFloat)
            if isinstance(value, str) or (whole and not float(value).is_integer()):
                raise SettingsError(what, "a whole number" if whole else "a number")
            least, most = self._accessor("get", feature, "bounds")(feature)
            if not least <= value <= most:  # Aravis writes what is outside (measured)
                raise SettingsError(what, f"{least} to {most}")
            self._accessor("set", feature, "value")(feature, int(value) if whole else value)
            number: float = self._accessor("get", feature, "value")(feature)
            return number
        except self.error as err:
            if err.domain == DEVICE_ERRORS:
                raise
            raise SettingsError(what, err.message) from err

    def _receive(self, asked: Mapping[str, float | str]) -> dict[str, float | str]:
        """Set up this computer's side; what it really does. Raises SettingsError."""
        aravis, values = self.aravis, {name: asked[name] for name in OURS if name in asked}
        for name in ("packet_socket", "packet_resend"):
            if values.get(name, "on") not in ("on", "off"):
                raise SettingsError(f"camera {self.name}: {name}: {values[name]!r}", "on or off")
        if "socket_buffer_mb" in values:
            size = values["socket_buffer_mb"]
            if isinstance(size, str) or not 0 < size < math.inf:
                raise SettingsError(f"camera {self.name}: socket_buffer_mb: {size!r}", "a number above 0")
            values["socket_buffer_mb"] = min(size, int(RECEIVE_LIMIT.read_text()) / 1e6)
        local = self.device.get_interface_address().get_address().get_is_loopback()
        if local or not may_open_packet_socket():  # on loopback it receives nothing (measured)
            values["packet_socket"] = "off"
        option = "NONE" if values["packet_socket"] == "on" else "PACKET_SOCKET_DISABLED"
        self.camera.gv_set_stream_options(getattr(aravis.GvStreamOption, option))
        self.camera.gv_set_packet_size_adjustment(aravis.GvPacketSizeAdjustment.NEVER)  # keep what was read back
        return values


def differences(asked: Mapping[str, float | str], got: Mapping[str, float | str]) -> dict[str, str]:
    """Asked values that the camera, or this computer, holds otherwise."""
    return {
        name: f"asked {value}, {'this computer' if name in OURS else 'the camera'} has {got[name]}"
        for name, value in asked.items()
        if value != "auto" and not same(value, got[name])
    }


def same(asked: float | str, got: float | str) -> bool:
    """Equal but for the last digits of a float."""
    if isinstance(asked, str) or isinstance(got, str):
        return str(asked).lower() == str(got).lower()
    return math.isclose(asked, got, rel_tol=1e-6, abs_tol=1e-6)


def may_open_packet_socket() -> bool:
    """Whether Aravis may receive past the kernel's UDP queue; it needs CAP_NET_RAW (packet(7))."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()
    except PermissionError:
        return False
    return True

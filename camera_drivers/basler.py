"""Basler cameras through pypylon, the vendor's own SDK (pylon 26.x; extra `basler`). The only file that imports it.

Runs here on the vendor's camera emulation (PYLON_CAMEMU in the environment before the SDK is first used). Feature names
are tried in order, because they differ by camera family (SFNC 2 for USB and ace 2, older names for GigE).
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from camera_drivers.bookkeeping import Book
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, SettingsError, Unsupported

FEATURES: dict[str, tuple[str, ...]] = {  # our setting → the vendor's feature, first that the camera has
    "exposure_us": ("ExposureTimeAbs", "ExposureTime", "ExposureTimeRaw"),  # the emulation has all, obeys the first
    "gain_db": ("Gain", "GainAbs", "GainRaw"),
    "width": ("Width",),
    "height": ("Height",),
    "offset_x": ("OffsetX",),
    "offset_y": ("OffsetY",),
    "pixel_format": ("PixelFormat",),
}
EMULATION_FOLDER = "image_folder"  # only the emulated camera has pictures to show
BUFFERS = 5
READY_MS = 500  # longest wait for the sensor to accept a trigger
EMULATION_MIN_PICTURES = 2  # measured: with one file the emulation caches it for ever, with two it reads each exposure
MONO, COLOUR = {"Mono8"}, {"RGB8", "RGB8Packed"}


def sdk() -> Any:
    """The SDK. Raises Unsupported where the extra is not installed."""
    try:
        from pypylon import pylon
    except ImportError as err:
        raise Unsupported("basler", "pypylon is not installed", "pip install 'jidoka[basler]'") from err
    return pylon


class BaslerCamera:
    """`basler:SERIAL`, or `basler:` where only one is connected."""

    capabilities = frozenset({Capability.SOFTWARE_TRIGGER, Capability.EXPOSURE, Capability.GAIN})

    def __init__(self, name: str, rest: str) -> None:
        self.name, self.serial = name, rest
        self.book = Book()
        self._camera: Any = None
        self._info = CameraInfo(f"basler:{rest}", "Basler", None, rest or None, "basler")
        self._asked: list[tuple[int, int]] = []  # trigger numbers waiting for their frame, with the time of the command
        self._last_id: int | None = None
        self._exposure: float | None = None
        self._gain: float | None = None

    @property
    def info(self) -> CameraInfo:
        """Model and serial once open."""
        return self._info

    def open(self) -> None:
        """Find by serial and open. Raises DeviceLost (none, or another), Unsupported (several and none named)."""
        self.close()
        pylon = sdk()
        device = self._find(pylon)
        try:
            camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateDevice(device))
            camera.Open()
        except pylon.GenericException as err:
            raise DeviceLost(
                self.name, one_line(err), "close other programs that use this camera; check the cable"
            ) from err
        self._camera = camera
        serial = device.GetSerialNumber()
        self._info = CameraInfo(f"basler:{serial}", device.GetVendorName(), device.GetModelName(), serial, "basler")
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Write and read back. Raises SettingsError naming the setting, DeviceLost."""
        camera, pylon = self._alive(), sdk()
        values: dict[str, float | str] = {}
        changed: dict[str, str] = {}
        try:
            camera.MaxNumBuffer.Value = BUFFERS
            for name, value in settings.items():
                if name == EMULATION_FOLDER:
                    values[name] = self._show_pictures(str(value))
                    continue
                values[name] = self._write(name, value)
                if isinstance(value, int | float) and abs(float(values[name]) - value) > 1e-3 * max(1.0, abs(value)):
                    changed[name] = f"asked {value}, the camera has {values[name]}"
            camera.TriggerSelector.Value = "FrameStart"
            camera.TriggerMode.Value = "On"
            camera.TriggerSource.Value = "Software"
            values["trigger_source"] = camera.TriggerSource.Value
        except pylon.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check the cable") from err
        self._exposure = self._read_number("exposure_us")
        self._gain = self._read_number("gain_db")
        self.book.epoch += 1
        return Applied(self.book.epoch, values, changed)

    def start(self) -> None:
        """Arm for software triggers."""
        pylon = sdk()
        try:
            self._alive().StartGrabbing(pylon.GrabStrategy_OneByOne)
        except pylon.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check the cable") from err
        self._asked.clear()
        self._last_id = None
        self.book.start()

    def stop(self) -> None:
        """Disarm; triggers without a frame are lost."""
        self.book.lost += len(self._asked)
        self._asked.clear()
        if self._camera is not None:
            self._quietly(self._camera.StopGrabbing)

    def trigger(self, number: int) -> None:
        """Expose once. Raises DeviceTimeout (sensor not ready), DeviceLost."""
        camera, pylon = self._alive(), sdk()
        try:
            if not camera.WaitForFrameTriggerReady(READY_MS, pylon.TimeoutHandling_Return):
                raise DeviceTimeout(self.name, f"not ready for a trigger within {READY_MS} ms", "shorten the exposure")
            self.book.triggers += 1
            self._asked.append((number, time.monotonic_ns()))
            camera.ExecuteSoftwareTrigger()
        except pylon.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check the cable") from err

    def next_frame(self, timeout_s: float) -> Lease:
        """The next frame, in the order of the triggers. Raises DeviceTimeout, DeviceLost."""
        camera, pylon = self._alive(), sdk()
        if not camera.IsGrabbing():
            raise DeviceTimeout(self.name, "no frame: the camera is not armed", "call start first")
        try:
            result = camera.RetrieveResult(max(0, round(timeout_s * 1e3)), pylon.TimeoutHandling_Return)
        except pylon.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check cable and power; the stream is opened again") from err
        if not result.IsValid():
            raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms")
        try:
            return Lease(self._frame(result))
        finally:
            result.Release()

    def probe(self) -> None:
        """A register read that no cache answers. Raises DeviceLost."""
        camera, pylon = self._alive(), sdk()
        try:
            camera.TriggerMode.GetNode().InvalidateNode()
            if camera.TriggerMode.Value != "On":
                raise DeviceLost(
                    self.name, "trigger mode is off: the camera lost its configuration", "it is configured again"
                )
        except pylon.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check cable and power") from err

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Let go of the device, dead or alive."""
        self.stop()
        camera, self._camera = self._camera, None
        if camera is not None:
            self._quietly(camera.Close)
            self._quietly(camera.DestroyDevice)

    def _find(self, pylon: Any) -> Any:
        devices = list(pylon.TlFactory.GetInstance().EnumerateDevices())
        serials = [device.GetSerialNumber() for device in devices]
        if not devices:
            raise DeviceLost(self.name, "no Basler camera found", "check cable, power and IP address")
        if self.serial:
            if self.serial not in serials:
                raise DeviceLost(
                    self.name, f"no camera {self.serial}; found {', '.join(serials)}", "check cable or serial"
                )
            return devices[serials.index(self.serial)]
        if len(devices) > 1:
            raise Unsupported(self.name, f"several cameras: {', '.join(serials)}", "name one as basler:SERIAL")
        return devices[0]

    def _alive(self) -> Any:
        """The open device; one that was pulled is lost (on the emulation only this flag tells)."""
        if self._camera is None:
            raise DeviceLost(self.name, "is not open", "open it first")
        if self._camera.IsCameraDeviceRemoved():
            raise DeviceLost(self.name, "was disconnected", "check cable and power")
        return self._camera

    def _node(self, name: str) -> Any:
        nodes = self._camera.GetNodeMap()
        for feature in FEATURES[name]:
            node = nodes.GetNode(feature)
            if node is not None:
                return getattr(self._camera, feature)
        return None

    def _write(self, name: str, value: float | str) -> float | str:
        pylon = sdk()
        if name not in FEATURES:
            known = ", ".join([*FEATURES, EMULATION_FOLDER])
            raise SettingsError(f"camera {self.name}: {name}: unknown setting", f"one of {known}")
        node = self._node(name)
        if node is None:
            raise SettingsError(f"camera {self.name}: {name}: this camera has no such feature", "remove it")
        whole = isinstance(value, float) and value.is_integer()
        for one in (value, int(value)) if whole and not isinstance(value, str) else (value,):
            try:
                node.Value = one
                read: float | str = node.Value
            except TypeError:
                continue
            except pylon.GenericException as err:
                raise SettingsError(
                    f"camera {self.name}: {name}: {value!r}: {one_line(err)}", "a value it takes"
                ) from err
            return read
        raise SettingsError(f"camera {self.name}: {name}: {value!r} has the wrong type", "a value it takes")

    def _read_number(self, name: str) -> float | None:
        node = self._node(name)
        return float(node.Value) if node is not None else None

    def _show_pictures(self, folder: str) -> str:
        """Give the emulated camera a folder to look at."""
        if self._camera.GetNodeMap().GetNode("ImageFilename") is None:
            raise SettingsError(f"camera {self.name}: {EMULATION_FOLDER}: only an emulated camera has it", "remove it")
        pictures = [path for path in Path(folder).glob("*") if path.is_file()] if Path(folder).is_dir() else []
        if len(pictures) < EMULATION_MIN_PICTURES:
            raise SettingsError(
                f"camera {self.name}: {EMULATION_FOLDER}: {folder} holds {len(pictures)} pictures",
                f"at least {EMULATION_MIN_PICTURES}: the emulation never reads a single one again",
            )
        self._camera.TestImageSelector.Value = "Off"
        self._camera.ImageFilename.Value = folder
        self._camera.ImageFileMode.Value = "On"
        return str(self._camera.ImageFilename.Value)

    def _frame(self, result: Any) -> Frame:
        """One grab result as a frame of its own memory (the copy of 1.3 MB costs about 0.2 ms)."""
        complete = bool(result.GrabSucceeded())
        trigger, commanded_ns = self._asked.pop(0) if self._asked else (None, time.monotonic_ns())
        image = self._pixels(result, complete)
        frame_id = int(result.BlockID)
        lost = 0 if self._last_id is None else max(0, frame_id - self._last_id - 1)
        self._last_id = frame_id
        image.flags.writeable = False
        return Frame(
            camera=self.name,
            sequence=self.book.next_sequence(complete=complete),
            session=self.book.session,
            device_frame_id=frame_id,
            trigger=trigger,
            encoder=None,
            exposed_ns=commanded_ns,
            arrived_ns=time.monotonic_ns(),
            device_ns=int(result.TimeStamp) or None,  # the emulation has no clock: 0
            clock="host",
            exposure_us=self._exposure,
            gain_db=self._gain,
            lost_before=lost,
            status="ok" if complete else "incomplete",
            pixel_format="Mono8" if image.ndim == 2 else "RGB8",
            configuration_epoch=self.book.epoch,
            image=image,
        )

    def _pixels(self, result: Any, complete: bool) -> Image:
        try:
            return np.array(result.Array, np.uint8)
        except ValueError as err:  # a missing picture file in emulation: no usable pixel format
            if complete:
                raise DeviceTimeout(self.name, "frame without pixels", "check the picture folder") from err
            return np.zeros((1, 1), np.uint8)

    def _quietly(self, step: Any) -> None:
        """A dead device may refuse to stop or close; it is given up either way."""
        try:
            step()
        except sdk().GenericException:
            return


def discover() -> list[CameraInfo]:
    """Every Basler camera the SDK sees; none where the SDK is not installed."""
    try:
        pylon = sdk()
    except Unsupported:
        return []
    return [
        CameraInfo(f"basler:{d.GetSerialNumber()}", d.GetVendorName(), d.GetModelName(), d.GetSerialNumber(), "basler")
        for d in pylon.TlFactory.GetInstance().EnumerateDevices()
    ]


def one_line(err: Exception) -> str:
    """The SDK's words without its source positions."""
    return str(err).split(" : ")[0].split("(file")[0].strip() or type(err).__name__


__all__ = ["BaslerCamera", "DeviceError", "discover"]

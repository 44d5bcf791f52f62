"""Basler cameras through pypylon, the vendor's own SDK (pylon 26.x; extra `basler`). The only file that imports it.

Runs here on the vendor's camera emulation (PYLON_CAMEMU in the environment before the SDK is first used). Features and
how they are written: `basler_settings.py`.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from camera_drivers.basler_settings import Features, checked, differences, one_line
from camera_drivers.bookkeeping import Book
from camera_drivers.buffers import Buffers, read_only
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from camera_drivers.frame_join import FrameJoin
from camera_drivers.pixels import image_shape, to_image
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, Unsupported

BUFFERS = 5
EMULATION_NO_FILE = "Failed to load image file"  # then the buffer still holds an older picture (measured)
READY_MS = 500  # longest wait for the sensor to accept a trigger
FIRST_ID = {"BaslerCamEmu": 0, "BaslerUsb": 0, "BaslerGigE": 1}  # pylon C++ API, CGrabResultData::GetBlockID
INVALID_ID = 2**64 - 1  # same page: must not be used; so is 0 where ids do not begin with 0


def sdk() -> Any:
    """The SDK. Raises Unsupported where the extra is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # SWIG's, at import; as an error it ends the process
            from pypylon import pylon
    except ImportError as err:
        raise Unsupported("basler", "pypylon is not installed", "pip install 'jidoka[basler]'") from err
    return pylon


def removal_watch(pylon: Any) -> Any:
    """An SDK handler whose `removed` becomes True when the device goes; asking each time costs 1.1 ms."""

    class Watch(pylon.ConfigurationEventHandler):  # type: ignore[misc]
        removed = False

        def OnCameraDeviceRemoved(self, camera: Any) -> None:  # noqa: N802  the SDK's name
            """Called on an SDK thread."""
            self.removed = True

    return Watch()


class BaslerCamera:
    """`basler:SERIAL`, or `basler:` where only one is connected.

    One thread uses it; the SDK's own threads only fill buffers. A picture is copied into a buffer of ours that is used
    again after its lease (1.3 MB: 70 µs; into fresh memory 1.9 ms), so nobody can hold the SDK's memory.
    """

    capabilities = frozenset(
        {Capability.SOFTWARE_TRIGGER, Capability.WIRED_TRIGGER, Capability.EXPOSURE, Capability.GAIN}
    )

    def __init__(self, name: str, rest: str) -> None:
        self.name, self.serial = name, rest
        self.book = Book()
        self.sdk_camera: Any = None  # the vendor's object, None while closed
        self._watch: Any = None  # the SDK keeps no reference of its own
        self._info = CameraInfo(f"basler:{rest}", "Basler", None, rest or None, "basler")
        self.join = FrameJoin(self.book)
        self._software = True
        self._exposure_us: float | None = None
        self._gain_db: float | None = None
        self._pixel_format = ""
        self._buffers = Buffers(BUFFERS)

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
            watch = removal_watch(pylon)
            camera.RegisterConfiguration(watch, pylon.RegistrationMode_Append, pylon.Cleanup_None)
        except pylon.GenericException as err:
            remedy = "close other programs that use this camera; check the cable"
            raise DeviceLost(self.name, one_line(err), remedy) from err
        self.sdk_camera, self._watch = camera, watch
        self.join.first_id = FIRST_ID.get(device.GetDeviceClass())
        serial = device.GetSerialNumber()
        self._info = CameraInfo(f"basler:{serial}", device.GetVendorName(), device.GetModelName(), serial, "basler")
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm, write in the order of FEATURES, read back. Raises SettingsError naming the setting, DeviceLost."""
        camera, pylon = self._alive(), sdk()
        self.stop()
        asked: dict[str, float | str] = {"trigger_source": "software", **settings}
        checked(self.name, asked)
        features = Features(self.name, camera, pylon)
        try:
            camera.MaxNumBuffer.Value = BUFFERS
            camera.TriggerSelector.Value = "FrameStart"
            camera.TriggerMode.Value = "On"
            values = features.apply(asked)
            self._exposure_us, self._gain_db = features.number("exposure_us"), features.number("gain_db")
            self._pixel_format = features.pixel_format()
        except pylon.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check the cable") from err
        self._software = values["trigger_source"] == "software"
        self.book.epoch += 1
        return Applied(self.book.epoch, values, differences(asked, values))

    def start(self) -> None:
        """Arm."""
        camera, pylon = self._alive(), sdk()
        self.stop()
        try:
            camera.StartGrabbing(pylon.GrabStrategy_OneByOne)
        except pylon.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check the cable") from err
        self.join.begin()
        self.book.start()

    def stop(self) -> None:
        """Disarm; triggers without a frame are lost."""
        self.join.end()
        if self.sdk_camera is not None:
            quietly(self.sdk_camera.StopGrabbing)

    def trigger(self, number: int) -> None:
        """Expose once. Raises DeviceTimeout (sensor not ready), DeviceLost, Unsupported (the trigger is wired)."""
        camera, pylon = self._alive(), sdk()
        if not self._software:
            raise Unsupported(self.name, "exposes on its wire", "trigger_source = 'software'")
        try:
            if not camera.IsGrabbing():
                raise DeviceError(self.name, "triggered while not armed", "call start first")
            if not camera.WaitForFrameTriggerReady(READY_MS, pylon.TimeoutHandling_Return):
                raise DeviceTimeout(self.name, f"not ready for a trigger within {READY_MS} ms", "shorten the exposure")
            self.join.triggered(number)
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
            self._alive()
            raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms")
        try:
            return self._lease(result)
        finally:
            result.Release()

    def probe(self) -> None:
        """A register read that no cache answers. Raises DeviceLost."""
        camera, pylon = self._alive(), sdk()
        try:
            camera.TriggerMode.GetNode().InvalidateNode()
            mode = camera.TriggerMode.Value
        except pylon.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check cable and power") from err
        if mode != "On":
            raise DeviceLost(self.name, "trigger mode is off: its configuration is gone", "it is configured again")

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Let go of the device, dead or alive."""
        self.stop()
        camera, self.sdk_camera = self.sdk_camera, None
        if camera is not None:
            quietly(camera.Close)
            quietly(camera.DestroyDevice)

    # ── the device ───────────────────────────────────────────────────────────────────────────────────────────────
    def _find(self, pylon: Any) -> Any:
        devices = list(pylon.TlFactory.GetInstance().EnumerateDevices())
        serials = [device.GetSerialNumber() for device in devices]
        if not devices:
            raise DeviceLost(self.name, "no Basler camera found", "check cable, power and IP address")
        if self.serial and self.serial not in serials:
            raise DeviceLost(self.name, f"no camera {self.serial}; found {own(serials)}", "check cable or serial")
        if not self.serial and len(devices) > 1:
            raise Unsupported(self.name, f"several cameras: {own(serials)}", "name one as basler:SERIAL")
        return devices[serials.index(self.serial) if self.serial else 0]

    def _alive(self) -> Any:
        """The open device; one that was pulled is lost (on the emulation only the SDK's call tells)."""
        if self.sdk_camera is None:
            raise DeviceLost(self.name, "is not open", "open it first")
        if self._watch.removed:
            raise DeviceLost(self.name, "was disconnected", "check cable and power")
        return self.sdk_camera

    # ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _lease(self, result: Any) -> Lease:
        """One grab result as a frame in a buffer of ours. Raises DeviceTimeout for one that holds no picture."""
        complete, frame_id = bool(result.GrabSucceeded()), self._frame_id(int(result.BlockID))
        trigger, exposed_ns = self.join.frame(frame_id)
        said = one_line(result.GetErrorDescription())
        if not complete and said.startswith(EMULATION_NO_FILE):
            self.book.frame(complete=False)
            raise DeviceTimeout(self.name, said, "put a picture there")
        try:
            image = self._copy(result)
        except DeviceTimeout:
            self.book.frame(complete=False)
            raise
        sequence, lost_before = self.book.frame(complete=complete)
        frame = Frame(
            camera=self.name,
            sequence=sequence,
            session=self.book.session,
            device_frame_id=frame_id,
            trigger=trigger,
            encoder=None,
            exposed_ns=exposed_ns,
            arrived_ns=time.monotonic_ns(),
            device_ns=int(result.TimeStamp) or None,  # the emulation has no clock: 0
            clock="host",
            exposure_us=self._exposure_us,
            gain_db=self._gain_db,
            lost_before=lost_before,
            status="ok" if complete else "incomplete",
            pixel_format=self._pixel_format,
            configuration_epoch=self.book.epoch,
            image=read_only(image),
        )
        return Lease(frame, lambda: self._buffers.give_back(image))

    def _frame_id(self, said: int) -> int | None:
        """The SDK's id, None where it says nothing."""
        return None if said == INVALID_ID or (said == 0 and self.join.first_id != 0) else said

    def _copy(self, result: Any) -> Image:
        """The picture, 8 bit, in one of our buffers. Raises DeviceTimeout for pixels that are none."""
        width, height = int(result.Width), int(result.Height)
        stride = result.GetStride()[1] if result.PaddingX else None
        try:  # GetArrayZeroCopy would unpack packed formats, in a layout of its own
            data = np.frombuffer(result.GetImageMemoryView(), np.uint8)
            out = self._buffers.take(image_shape(self._pixel_format, width, height, self.name))
            return to_image(data, self._pixel_format, width, height, self.name, stride=stride, out=out)
        except (ValueError, Unsupported, sdk().GenericException) as err:
            raise DeviceTimeout(
                self.name, f"frame without a picture: {one_line(err)}", "check pixel format and cable"
            ) from err


def discover() -> list[CameraInfo]:
    """Every Basler camera the SDK sees. Raises Unsupported where the SDK is not installed."""
    return [
        CameraInfo(f"basler:{d.GetSerialNumber()}", d.GetVendorName(), d.GetModelName(), d.GetSerialNumber(), "basler")
        for d in sdk().TlFactory.GetInstance().EnumerateDevices()
    ]


def quietly(step: Callable[[], None]) -> None:
    """A dead device may refuse to stop or close; it is given up either way."""
    try:
        step()
    except sdk().GenericException:
        return


def own(words: list[str]) -> str:
    """A list in words."""
    return ", ".join(words)

"""GigE Vision cameras of any vendor through Aravis 0.8 (PyGObject; extra `gige`). The only file that imports them.

Aravis and PyGObject are LGPL-2.1+: libaravis is Debian's own package, linked dynamically by introspection, unmodified.
Runs here on `arv-fake-gv-camera-0.8`. "Measured" is Aravis 0.8.26 against it over a veth pair.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from camera_drivers.bookkeeping import Book
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from camera_drivers.frame_join import FrameJoin
from camera_drivers.gige_settings import DEVICE_ERRORS, GigeSettings, differences
from camera_drivers.in_time import in_time
from camera_drivers.pixels import to_image
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Unsupported

CONTROL_REGISTER, IN_CONTROL = 0x0A00, 0b11  # GigE Vision 1.2, bootstrap registers: CCP; exclusive or control access
HOLDER_REGISTER = 0x0A14  # same table: IPv4 address of the application in control; 0 where the camera does not say
BUFFERS = 8  # so many pictures may be held or wait
PROBE_S = 2.0  # a hang of 1.5 s is no loss (measured); a dead device answers Aravis after 2.5 s (measured)
STOP_S, CLOSE_S = 1.5, 1.0  # together below 3 s; on a dead device Aravis takes 5 s and more (measured), apart
LET_GO_S = 1.0  # longest wait at open for a dead device's end; the whole of it takes Aravis up to 10 s (measured)
LATCHED_S = 0.25  # measured: a trigger given just before AcquisitionStop is exposed within 0.1 s after the next start
CHECK = "check cable and power"


def sdk() -> Any:
    """Aravis. Raises Unsupported where PyGObject or Aravis is not installed."""
    try:
        import gi

        gi.require_version("Aravis", "0.8")
        from gi.repository import Aravis
    except (ImportError, ValueError) as err:
        remedy = "apt-get install gir1.2-aravis-0.8 libgirepository1.0-dev libcairo2-dev pkg-config gcc python3-dev"
        raise Unsupported("gige", f"no Aravis: {err}", f"{remedy}, then pip install 'jidoka[gige]'") from err
    return Aravis


def wrong() -> Any:
    """The class of all errors that Aravis raises."""
    from gi.repository import GLib

    return GLib.Error


class GigeCamera:
    """`gige:SERIAL-OR-NAME-OR-IP`, or `gige:` where only one is connected.

    One thread uses it. Aravis receives into numpy buffers of ours; a lease reads there, then the buffer goes back.
    Steps that a dead device holds up run in a thread of their own, which the caller leaves in time. A camera that
    swallows a trigger given too early says nothing: its later frames are nobody's until ids or a start settle it.
    """

    capabilities = frozenset(
        {Capability.SOFTWARE_TRIGGER, Capability.WIRED_TRIGGER, Capability.EXPOSURE, Capability.GAIN}
    )

    def __init__(self, name: str, rest: str) -> None:
        self.name, self.rest = name, rest
        self.book = Book()
        self.join = FrameJoin(self.book)
        self._info = CameraInfo(f"gige:{rest}", None, None, None, "gige")
        self.settings = GigeSettings(name)  # holds Aravis.Camera while it is open
        self._stream: Any = None  # Aravis.Stream, None while disarmed
        self._memory: dict[Any, npt.NDArray[np.uint8]] = {}  # Aravis.Buffer → what it fills
        self._lost = threading.Event()  # set by Aravis on a thread of its own; a new one for each opening
        self._letting_go: threading.Thread | None = None
        self._overdue = False  # triggers were left without a frame: the camera may have latched one

    @property
    def info(self) -> CameraInfo:
        """Vendor, model and serial once open."""
        return self._info

    @property
    def address(self) -> str | None:
        """IPv4 address of the open camera, for `network.network_health`."""
        held = self.settings
        return None if held.camera is None else str(held.device.get_device_address().get_address().to_string())

    def open(self) -> None:
        """Find, open, take control. Raises DeviceLost (none, or another holds it), Unsupported (several)."""
        self.close()
        aravis = sdk()
        if self._letting_go is not None:  # an old handle would give up the control that a new one takes
            self._letting_go.join(LET_GO_S)
            if self._letting_go.is_alive():
                raise DeviceLost(self.name, "the lost connection is still being let go", "try again")
        self._lost = lost = threading.Event()
        self.settings.aravis, self.settings.error = aravis, wrong()
        try:
            self.settings.camera = self._find(aravis)
            if not self.settings.device.is_controller():
                holder = int(self.settings.device.read_register(HOLDER_REGISTER))
                who = f"program at {socket.inet_ntoa(holder.to_bytes(4, 'big'))}" if holder else "program"
                remedy = "close it; after a crash the camera frees itself when its heartbeat has run out"
                raise DeviceLost(self.name, f"another {who} holds control of the camera", remedy)
            self.settings.device.connect("control-lost", lambda _device: lost.set())
            self.settings.device.set_register_cache_policy(aravis.RegisterCachePolicy.DISABLE)
            self._info = info(*self.settings.identity())
        except (wrong(), DeviceLost) as err:
            self._lost.set()  # Aravis takes seconds to let go of what it has no control of (measured)
            self.close()
            if isinstance(err, DeviceLost):
                raise
            raise DeviceLost(self.name, err.message, f"{CHECK}, IP address and network") from err
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm, write all, read back. Raises SettingsError naming the setting, DeviceLost, Unsupported."""
        self._alive()
        self.stop()
        try:
            values = self.settings.apply(settings)
        except wrong() as err:
            raise self._failed(err) from err
        self.book.epoch += 1
        return Applied(self.book.epoch, values, differences(settings, values))

    def start(self) -> None:
        """Arm: a fresh stream with our buffers; what the camera had latched before is thrown away."""
        self._alive()
        self.stop()
        try:
            self._stream, size = self.settings.stream(), self.settings.camera.get_payload()
            for _ in range(BUFFERS):
                memory = np.full(size, 0, np.uint8)  # touched now, so that no first picture waits for pages
                buffer = self.settings.aravis.Buffer.new(size, memory.ctypes.data)
                self._memory[buffer] = memory
                self._stream.push_buffer(buffer)  # its frame id is 0
            self.settings.camera.start_acquisition()
        except wrong() as err:
            raise self._failed(err) from err
        latched = self._stream.timeout_pop_buffer(int(LATCHED_S * 1e6)) if self._overdue else None
        if latched is not None:
            self._give_back(latched, self.book.session)
        self._overdue = False
        self.join.begin()
        self.book.start()

    def stop(self) -> None:
        """Disarm; triggers without a frame are lost."""
        before = self.book.lost
        self.join.end()
        self._overdue |= self.book.lost > before
        if self._stream is None:
            return
        camera, alive, doomed = self.settings.camera, not self._lost.is_set(), [self._stream, self._memory]
        self._stream, self._memory = None, {}

        def disarm() -> None:
            if alive:
                camera.stop_acquisition()
            doomed.pop(0)  # the last reference: its thread ends here, before the memory that it fills is freed
            doomed.clear()

        self._let_go(disarm, STOP_S)

    def trigger(self, number: int) -> None:
        """Expose once. Raises DeviceError (not armed), DeviceLost, Unsupported (the trigger is wired)."""
        self._alive()
        if self.settings.values.get("trigger_source") != "software":
            raise Unsupported(self.name, "exposes on its wire", "trigger_source = 'software'")
        if self._stream is None:
            raise DeviceError(self.name, "triggered while not armed", "call start first")
        self.join.triggered(number, here=self._stream.get_n_buffers().n_output_buffers)
        try:
            self.settings.device.execute_command("TriggerSoftware")
        except wrong() as err:
            raise self._failed(err) from err

    def next_frame(self, timeout_s: float) -> Lease:
        """The next frame, in the order of the triggers. Raises DeviceTimeout, DeviceLost."""
        self._alive()
        if self._stream is None:
            raise DeviceTimeout(self.name, "no frame: the camera is not armed", "call start first")
        buffer = self._stream.timeout_pop_buffer(max(0, round(timeout_s * 1e6)))
        if buffer is None:
            self._alive()
            raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms")
        return self._lease(buffer)

    def probe(self) -> None:
        """A register read that no cache answers, left after PROBE_S. Raises DeviceLost."""
        self._alive()
        found: list[str] = []

        def look(device: Any) -> None:
            held = device.read_register(CONTROL_REGISTER) & IN_CONTROL
            found.append(device.get_string_feature_value("TriggerMode") if held else "no control")

        in_time(partial(look, self.settings.device), PROBE_S, wrong())
        if found != ["On"]:
            self._lost.set()
            said = {"Off": "its configuration is gone", "no control": "control is lost: it restarted, or freed itself"}
            raise DeviceLost(self.name, said.get(found[0], found[0]) if found else "does not answer", CHECK)

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Let go of the device, dead or alive; what a dead one holds up goes on in the background."""
        self.stop()
        if self.settings.camera is None:
            return
        alive, doomed = not self._lost.is_set(), [self.settings.camera]
        self.settings.camera = None

        def leave() -> None:
            if alive:
                doomed[0].get_device().leave_control()
            doomed.clear()

        self._let_go(leave, CLOSE_S)

    # ── the device ───────────────────────────────────────────────────────────────────────────────────────────────
    def _find(self, aravis: Any) -> Any:
        """By what Aravis knows (name, address, MAC), else by serial number alone."""
        with suppress(wrong()):
            if self.rest:
                return aravis.Camera.new(self.rest)
        found = {str(seen.serial): identity for identity, seen in listed(aravis)}
        if not found or (self.rest and self.rest not in found):
            what = f"no camera {self.rest or 'found'}; seen: {', '.join(found) or 'none'}"
            raise DeviceLost(self.name, what, f"{CHECK}, IP address")
        if not self.rest and len(found) > 1:
            raise Unsupported(self.name, f"several cameras: {', '.join(found)}", "name one as gige:SERIAL")
        return aravis.Camera.new(found[self.rest] if self.rest else next(iter(found.values())))

    def _alive(self) -> None:
        if self.settings.camera is None:
            raise DeviceLost(self.name, "is not open", "open it first")
        if self._lost.is_set():
            raise DeviceLost(self.name, "does not answer any more", CHECK)

    def _failed(self, err: Any) -> DeviceError:
        """Aravis' error in the house's words; a device that does not answer is lost from here on."""
        if err.domain != DEVICE_ERRORS or err.code == int(sdk().DeviceError.FEATURE_NOT_FOUND):
            return Unsupported(self.name, err.message, "a camera that has this feature")
        self._lost.set()
        return DeviceLost(self.name, err.message, CHECK)

    def _let_go(self, step: Callable[[], None], seconds: float) -> None:
        """One step after another in the background; a living device has `seconds` for it, then it counts as lost."""
        before = self._letting_go

        def after() -> None:
            if before is not None:
                before.join()
            step()

        self._letting_go = in_time(after, 0.0 if self._lost.is_set() else seconds, wrong())
        if self._letting_go.is_alive():
            self._lost.set()

    # ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _lease(self, buffer: Any) -> Lease:
        """One buffer of Aravis as a frame; its pixels are our memory."""
        settings = self.settings
        complete = buffer.get_status() == sdk().BufferStatus.SUCCESS
        complete = complete and (buffer.get_image_width(), buffer.get_image_height()) == (
            settings.width,
            settings.height,
        )
        frame_id = int(buffer.get_frame_id()) or None  # GigE Vision 1.2: block id 0 is none
        trigger, exposed_ns = self.join.frame(frame_id)
        sequence, lost_before = self.book.frame(complete=complete)
        image = to_image(self._memory[buffer], settings.pixel_format, settings.width, settings.height, self.name).view()
        image.flags.writeable = False
        session = self.book.session
        frame = Frame(
            camera=self.name,
            sequence=sequence,
            session=session,
            device_frame_id=frame_id,
            trigger=trigger,
            encoder=None,
            exposed_ns=exposed_ns,
            arrived_ns=time.monotonic_ns(),
            device_ns=int(buffer.get_timestamp()) or None,  # the camera's clock; nothing here ties it to ours
            clock="host",
            exposure_us=settings.exposure_us,
            gain_db=settings.gain_db,
            lost_before=lost_before,
            status="ok" if complete else "incomplete",
            pixel_format=settings.pixel_format,
            configuration_epoch=self.book.epoch,
            image=image,
        )
        return Lease(frame, lambda: self._give_back(buffer, session))

    def _give_back(self, buffer: Any, session: int) -> None:
        """To the stream that it came from, if that is still armed."""
        if self._stream is not None and self.book.session == session:
            buffer.set_frame_id(0)  # a frame whose first packet is lost would show the id of the one before (measured)
            buffer.set_timestamp(0)
            self._stream.push_buffer(buffer)


def listed(aravis: Any) -> list[tuple[str, CameraInfo]]:
    """Aravis' name and our words for each GigE Vision device that answers a broadcast (Aravis waits 1 s)."""
    aravis.update_device_list()
    found = []
    for index in range(aravis.get_n_devices()):
        if aravis.get_device_protocol(index) == "GigEVision":
            vendor, model = aravis.get_device_vendor(index), aravis.get_device_model(index)
            found.append((aravis.get_device_id(index), info(vendor, model, aravis.get_device_serial_nbr(index))))
    return found


def info(vendor: str, model: str, serial: str) -> CameraInfo:
    """Who a camera is."""
    return CameraInfo(f"gige:{serial}", vendor, model, serial, "gige")


def discover() -> list[CameraInfo]:
    """Every GigE Vision camera on this computer's networks. Raises Unsupported where Aravis is not installed."""
    return [seen for _, seen in listed(sdk())]

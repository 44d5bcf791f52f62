"""Cameras of any vendor through its GenTL producer (`.cti`), with harvesters and genicam (extra `gentl`).

producer   fills buffers, announces each
thread     ▓ ▓ ▓ ▓ fetch, copy what answers a trigger, queue again: no buffer is ever held
camera     trigger, next_frame

A camera that has a trigger is triggered; one that has none runs free, and `latency_ms` says how old its pictures are
(`free_running.py`). harvesters 1.4.3 does not tell of a lost device: a read that no cache answers does, and silence.
The only file that imports these SDKs.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from camera_drivers.basler_settings import differences, one_line
from camera_drivers.bookkeeping import Book
from camera_drivers.buffers import Buffers, read_only
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from camera_drivers.drain import SILENT_S
from camera_drivers.frame_join import FrameJoin
from camera_drivers.free_running import FreeRunning
from camera_drivers.gentl_settings import FREE, Nodes
from camera_drivers.live import BUFFERS, LATENCY_LIMIT_MS, number
from camera_drivers.pixels import image_shape, to_image
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, SettingsError, Unsupported

PATH = "GENICAM_GENTL64_PATH"  # GenTL 1.6, 3.1: where producers are
PRODUCER_BUFFERS = 8  # the thread holds one; the others are the producer's
FETCH_S = 0.05  # so soon the thread hears that it should stop
Answer = tuple[int | None, int, int, int | None, int | None, Image]  # trigger, exposed, arrived, id, device ns, picture


def sdk() -> tuple[Any, Any, Any]:
    """harvesters' Harvester, genicam's gentl and genapi. Raises Unsupported where the extra is not installed."""
    try:
        from genicam import genapi, gentl
        from harvesters.core import Harvester
    except ImportError as err:
        raise Unsupported("gentl", "harvesters is not installed", "pip install 'jidoka[gentl]'") from err
    return Harvester, gentl, genapi


class Producer:
    """One `.cti` in this process: a producer may be loaded once, and `update()` would end its open cameras."""

    loaded: dict[Path, "Producer"] = {}  # noqa: RUF012  of the process
    lock = threading.Lock()

    def __init__(self, path: Path) -> None:
        harvester, _, _ = sdk()
        self.path, self.open_cameras = path, 0
        self.harvester: Any = harvester()
        self.harvester.add_file(str(path), check_existence=True, check_validity=True)

    @classmethod
    def of(cls, path: Path) -> "Producer":
        """Loaded if need be. Raises DeviceLost: no file, or no producer."""
        if not path.is_file():
            raise DeviceLost("gentl", f"{path}: no such producer", "name the .cti file of the camera's vendor")
        real = path.resolve()
        if real not in cls.loaded:
            _, gentl, _ = sdk()
            try:
                cls.loaded[real] = cls(real)
            except (gentl.GenericException, OSError) as err:
                raise DeviceLost("gentl", f"{path}: {one_line(err)}", "is it a 64-bit GenTL producer?") from err
        return cls.loaded[real]

    def devices(self) -> list[dict[str, Any]]:
        """What is there; while one of its cameras is open, what was there when that was opened."""
        if not self.open_cameras:
            self.harvester.update()
        return [one.property_dict for one in self.harvester.device_info_list]


def producers(rest: str) -> tuple[list[Path], str]:
    """The `.cti` files and the serial of a URI's rest. Raises SettingsError."""
    path, _, serial = rest.rpartition("#")
    if path:
        if not Path(path).is_absolute():
            raise SettingsError(f"gentl:{rest}: {path} is no absolute path", "gentl:/opt/…/producer.cti#SERIAL")
        return [Path(path)], serial
    folders = [Path(folder) for folder in os.environ.get(PATH, "").split(os.pathsep) if folder]
    found = [cti for folder in folders for cti in sorted(folder.glob("*.cti"))]
    if not found:
        raise SettingsError(f"gentl:{rest}: no producer in {PATH}", "gentl:/opt/…/producer.cti#SERIAL, or set it")
    return found, serial


def named(device: Mapping[str, Any], serial: str) -> bool:
    """By serial number, id or the name that its owner gave it."""
    return not serial or serial in (device["serial_number"], device["id_"], device["user_defined_name"])


def described(path: Path, device: Mapping[str, Any]) -> CameraInfo:
    """Identity; what the producer does not say is None."""
    serial = device["serial_number"] or device["id_"]
    return CameraInfo(f"gentl:{path}#{serial}", device["vendor"] or None, device["model"] or None, serial, "gentl")


class GentlCamera:
    """`gentl:/path/producer.cti#SERIAL`; without a path, the producers of GENICAM_GENTL64_PATH.

    One thread uses it, beside its own fetching thread; what both touch is under `_here`.
    """

    def __init__(self, name: str, rest: str) -> None:
        self.name, self.rest = name, rest
        self.capabilities: frozenset[Capability] = frozenset()  # told by `open`
        self.book = Book()
        self.free, self.join = FreeRunning(self.book, name), FrameJoin(self.book)
        self._info = CameraInfo(f"gentl:{rest}", None, None, None, "gentl")
        self._producer: Producer | None = None
        self._camera: Any = None  # harvesters' acquirer, None while closed
        self._nodes: Any = None
        self._source = FREE
        self._sources: dict[str, str] = {}
        self._pixel_format, self._exposure_us, self._gain_db = "", None, None
        self._buffers = Buffers(BUFFERS)
        self._here = threading.Condition()
        self._answers: deque[Answer] = deque()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._fault: str | None = None  # why the thread ended
        self._arrived_ns = 0

    @property
    def info(self) -> CameraInfo:
        """Model and serial once open."""
        return self._info

    def open(self) -> None:
        """Find and open. Raises DeviceLost (none, busy), Unsupported (several and none named), SettingsError (URI)."""
        self.close()
        paths, serial = producers(self.rest)
        _, gentl, genapi = sdk()
        with Producer.lock:
            known = [(Producer.of(path), Producer.of(path).devices()) for path in paths]
            found = [(one, n, its[n]) for one, its in known for n in range(len(its)) if named(its[n], serial)]
            if not found:
                raise DeviceLost(self.name, f"no camera {serial or 'at all'}", "jidoka camera list gentl; check cable")
            if len(found) > 1:
                several = ", ".join(device["serial_number"] or device["id_"] for _, _, device in found)
                raise Unsupported(self.name, f"several cameras: {several}", "name one as gentl:PATH#SERIAL")
            producer, place, device = found[0]
            try:
                self._camera = producer.harvester.create(place)
            except (gentl.GenericException, ValueError) as err:
                raise DeviceLost(self.name, one_line(err), "close other programs that use this camera") from err
            producer.open_cameras += 1
            self._producer = producer
        try:
            self._camera.num_buffers = PRODUCER_BUFFERS
            self._nodes = Nodes(self.name, self._camera.remote_device.node_map, genapi)
            self._sources = self._nodes.trigger_sources()
            self.capabilities = self._capable()
        except (gentl.GenericException, genapi.GenericException) as err:
            self.close()
            raise DeviceLost(self.name, one_line(err), "check the cable") from err
        self._info = described(producer.path, device)
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm, write, read back. Raises SettingsError naming the setting, DeviceLost."""
        nodes, (_, _, genapi) = self._open_nodes(), sdk()
        self.stop()
        latency_ms = (
            number(self.name, "latency_ms", settings, 0.0, LATENCY_LIMIT_MS) if "latency_ms" in settings else None
        )
        source = str(settings.get("trigger_source", "software" if "software" in self._sources else FREE))
        try:
            nodes.choose_trigger(source, self._sources)
            values = nodes.apply(settings)
            self._exposure_us, self._gain_db = nodes.number("exposure_us"), nodes.number("gain_db")
            self._pixel_format = nodes.pixel_format()
        except genapi.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check the cable") from err
        if latency_ms is not None:
            values["latency_ms"] = latency_ms
        if "trigger_source" in settings:
            values["trigger_source"] = source
        self._source, self.free.latency_ms = source, latency_ms
        self.capabilities = self._capable()
        self.book.epoch += 1
        return Applied(self.book.epoch, values, differences(settings, values))

    def start(self) -> None:
        """Arm."""
        self._open_nodes()
        self.stop()
        _, gentl, genapi = sdk()
        try:
            self._camera.start()
        except (gentl.GenericException, genapi.GenericException) as err:
            raise DeviceLost(self.name, one_line(err), "check the cable") from err
        self.book.start()
        self.join.begin()
        self._stopping, self._fault, self._arrived_ns = False, None, time.monotonic_ns()
        self._thread = threading.Thread(target=self._fetch, name=f"gentl {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Disarm; triggers without a frame and pictures not fetched are lost."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            thread.join()
            quietly(self._camera.stop)
        self.free.end()
        self.join.end()
        self.book.lose(len(self._answers))
        self._answers.clear()

    def trigger(self, number: int) -> None:
        """Expose, or ask for the first picture that is surely younger than now. Raises DeviceLost, Unsupported."""
        nodes = self._alive()
        if self._thread is None:
            raise DeviceError(self.name, "triggered while not armed", "call start first")
        if self._source not in (FREE, "software"):
            raise Unsupported(self.name, "exposes on its wire", "trigger_source = 'software'")
        with self._here:
            if self._source == FREE:
                return self.free.triggered(number, time.monotonic_ns())
            self.join.triggered(number, here=len(self._answers))
        _, _, genapi = sdk()
        try:
            nodes.node("TriggerSoftware").execute()
        except genapi.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check the cable") from err

    def next_frame(self, timeout_s: float) -> Lease:
        """The next answer. Raises DeviceTimeout, DeviceLost."""
        until = time.monotonic() + max(0.0, timeout_s)
        with self._here:
            while not self._answers:
                self._alive()
                if (left_s := until - time.monotonic()) <= 0:
                    raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms")
                self._here.wait(min(left_s, FETCH_S))
            return self._lease(*self._answers.popleft())

    def probe(self) -> None:
        """A read that no cache answers. Raises DeviceLost."""
        nodes, (_, _, genapi) = self._alive(), sdk()
        try:
            nodes.ours("pixel_format").node.invalidate_node()
            found = nodes.pixel_format()
        except genapi.GenericException as err:
            raise DeviceLost(self.name, one_line(err), "check cable and power") from err
        if found != self._pixel_format and self.book.epoch:
            raise DeviceLost(self.name, f"sends {found}: its configuration is gone", "it is configured again")

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Let go of the device, dead or alive."""
        self.stop()
        camera, self._camera, self._nodes = self._camera, None, None
        if camera is not None:
            quietly(camera.destroy)
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.open_cameras -= 1

    # ── the device ───────────────────────────────────────────────────────────────────────────────────────────────
    def _capable(self) -> frozenset[Capability]:
        """By the nodes that it has, and what makes it expose."""
        wired = [one for one in self._sources if one != "software"]
        having = {
            Capability.SOFTWARE_TRIGGER: "software" in self._sources,
            Capability.WIRED_TRIGGER: bool(wired),
            Capability.FREE_RUNNING: "software" not in self._sources,
            Capability.EXPOSURE: self._nodes.ours("exposure_us") is not None,
            Capability.GAIN: self._nodes.ours("gain_db") is not None,
        }
        return frozenset(one for one, has in having.items() if has)

    def _open_nodes(self) -> Any:
        if self._nodes is None:
            raise DeviceLost(self.name, "is not open", "open it first")
        return self._nodes

    def _alive(self) -> Any:
        """The nodes of a camera that is not known to be lost."""
        nodes = self._open_nodes()
        if self._fault is not None:
            raise DeviceLost(self.name, self._fault, "check cable and power; it is opened again")
        silence_s = (time.monotonic_ns() - self._arrived_ns) / 1e9
        if self._thread is not None and self._source == FREE and silence_s > SILENT_S:
            raise DeviceLost(self.name, f"no picture for {SILENT_S:.0f} s", "check cable and power; it is opened again")
        return nodes

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────
    def _fetch(self) -> None:
        _, gentl, genapi = sdk()
        try:
            while not self._stopping:
                if (buffer := self._camera.try_fetch(timeout=FETCH_S)) is not None:
                    try:
                        self._came(buffer)
                    finally:
                        buffer.queue()
        except (gentl.GenericException, genapi.GenericException, DeviceError) as err:
            self._fault = one_line(err)
        with self._here:
            self._here.notify_all()

    def _came(self, buffer: Any) -> None:
        """Does this picture answer a trigger? Raises DeviceError: what it sends is no picture."""
        now_ns, frame_id = time.monotonic_ns(), int(buffer.module.frame_id)
        with self._here:
            self._arrived_ns = now_ns
            if self._source == FREE:
                if (asked := self.free.frame(now_ns)) is None:
                    return
                answer: tuple[int | None, int] = asked
            else:
                answer = self.join.frame(frame_id)
            if len(self._answers) >= BUFFERS:
                self.book.lose()
                return
            self._answers.append((*answer, now_ns, frame_id, device_ns(buffer), self._copy(buffer)))
            self._here.notify_all()

    def _copy(self, buffer: Any) -> Image:
        """The picture, 8 bit, in a buffer of ours. Raises DeviceError."""
        pictures = [one for one in buffer.payload.components if getattr(one, "width", 0)] if buffer.payload else []
        if not pictures:
            raise DeviceError(self.name, "sends buffers without a picture", "choose a mode that sends pictures")
        one = pictures[0]
        width, height, form = int(one.width), int(one.height), str(one.data_format)
        data = np.ascontiguousarray(one.data).view(np.uint8).reshape(-1)
        stride = data.nbytes // height if one.x_padding else None
        out = self._buffers.take(image_shape(form, width, height, self.name))
        return to_image(data, form, width, height, self.name, stride=stride, out=out)

    def _lease(
        self,
        trigger: int | None,
        exposed_ns: int,
        arrived_ns: int,
        frame_id: int | None,
        made_ns: int | None,
        image: Image,
    ) -> Lease:
        sequence, lost_before = self.book.frame(complete=True)
        frame = Frame(
            camera=self.name,
            sequence=sequence,
            session=self.book.session,
            device_frame_id=frame_id,
            trigger=trigger,
            encoder=None,
            exposed_ns=exposed_ns,
            arrived_ns=arrived_ns,
            device_ns=made_ns,
            clock="host",
            exposure_us=self._exposure_us,
            gain_db=self._gain_db,
            lost_before=lost_before,
            status="ok",
            pixel_format=self._pixel_format,
            configuration_epoch=self.book.epoch,
            image=read_only(image),
        )
        return Lease(frame, lambda: self._buffers.give_back(image))


def device_ns(buffer: Any) -> int | None:
    """The device's own time; None: the producer does not tell (GenTL leaves it optional)."""
    _, gentl, _ = sdk()
    try:
        return int(buffer.module.timestamp_ns)
    except gentl.GenericException:
        return None


def discover() -> list[CameraInfo]:
    """Every camera of every producer in GENICAM_GENTL64_PATH. Raises Unsupported where the SDK is not installed."""
    sdk()
    try:
        paths, _ = producers("")
    except SettingsError:
        return []
    found = []
    with Producer.lock:
        for path in paths:
            producer = Producer.of(path)
            found += [described(path, device) for device in producer.devices()]
    return found


def quietly(step: Any) -> None:
    """A dead device may refuse to stop or close; it is given up either way."""
    _, gentl, genapi = sdk()
    try:
        step()
    except (gentl.GenericException, genapi.GenericException):
        return

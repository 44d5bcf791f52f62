"""`simwire:SOCKET?stage=DIR`: a simulated camera that is fired by a wire, and looks at a stage (see `folder:`).

The wire is a Unix datagram socket that the camera binds; whoever fires it sends JSON: `encoder` (counts, latched by the
edge), `ns` (CLOCK_MONOTONIC of the edge, as a camera under PTP has it), and to play a bad camera `deliver` (false:
counted and lost) and `late_ms` (how much later the picture arrives). `numbers=0`: it does not number its exposures.
"""

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec

from camera_drivers.bookkeeping import Book
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from camera_drivers.folder import SUFFIXES, read
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, SettingsError, Unsupported

BUFFERS = 8  # pictures kept until they are fetched; a further one is lost, as on a real camera
MOST_BYTES = 4096


class Edge(msgspec.Struct, frozen=True):
    """What comes down the wire."""

    encoder: int
    ns: int
    deliver: bool = True
    late_ms: float = 0.0


class WiredCamera:
    """One socket, one stage."""

    capabilities = frozenset({Capability.WIRED_TRIGGER, Capability.ENCODER, Capability.DEVICE_CLOCK})

    def __init__(self, name: str, rest: str) -> None:
        socket_path, _, query = rest.partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
        if not socket_path or not options.get("stage") or set(options) - {"stage", "numbers"}:
            raise SettingsError(f"camera {name}: uri 'simwire:{rest}'", "simwire:SOCKET?stage=DIR[&numbers=0]")
        self.name, self.path, self.stage = name, Path(socket_path), Path(options["stage"])
        self.numbers = options.get("numbers", "1") != "0"
        self.book = Book()
        self._sock: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._armed = False
        self._exposures = self._fetched = 0  # numbers of this session: made, and handed on last
        self._frames: queue.Queue[tuple[int, int, int, Image | DeviceError]] = queue.Queue(BUFFERS)

    @property
    def info(self) -> CameraInfo:
        """Nobody built this camera."""
        return CameraInfo(f"simwire:{self.path}", "Jidoka", "simulated wire", None, "simwire")

    def open(self) -> None:
        """Bind the wire's end. Raises DeviceLost."""
        self.close()
        try:
            self.path.unlink(missing_ok=True)
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sock.bind(str(self.path))
        except OSError as err:
            self.close()
            raise DeviceLost(
                self.name, f"{self.path}: {err.strerror or err}", "name a socket that can be made"
            ) from err
        self._thread = threading.Thread(target=self._watch, args=(self._sock,), name="wire", daemon=True)
        self._thread.start()
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm; nothing can be set. Raises SettingsError for anything asked."""
        self._alive()
        self.stop()
        for name in settings:
            raise SettingsError(f"camera {self.name}: {name}: a simulated wire has no such setting", "remove it")
        self.book.epoch += 1
        return Applied(self.book.epoch, {})

    def start(self) -> None:
        """Arm: from here an edge makes an exposure."""
        self._alive()
        self.stop()
        self.book.start()
        self._exposures = self._fetched = 0
        self._armed = True

    def stop(self) -> None:
        """Disarm; what was exposed and not fetched is lost."""
        self._armed = False
        while not self._frames.empty():
            self._frames.get_nowait()
        self.book.triggers += self._exposures - self._fetched
        self.book.lose(self._exposures - self._fetched)
        self._fetched = self._exposures

    def trigger(self, number: int) -> None:
        """Raises Unsupported: the wire triggers."""
        raise Unsupported(self.name, "exposes on its wire", "set trigger_source to plc_wired, sensor_wired or encoder")

    def next_frame(self, timeout_s: float) -> Lease:
        """The oldest exposure. Raises DeviceTimeout."""
        self._alive()
        try:
            number, exposed_ns, encoder, image = self._frames.get(timeout=max(timeout_s, 1e-6))
        except queue.Empty as err:
            raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms") from err
        self._arrived(number)
        if isinstance(image, DeviceError):
            self.book.lose()
            raise image
        image.flags.writeable = False
        sequence, lost_before = self.book.frame(complete=True)
        frame = Frame(
            camera=self.name,
            sequence=sequence,
            session=self.book.session,
            device_frame_id=number if self.numbers else None,
            trigger=None,
            encoder=encoder,
            exposed_ns=exposed_ns,
            arrived_ns=time.monotonic_ns(),
            device_ns=exposed_ns,
            clock="ptp",
            exposure_us=None,
            gain_db=None,
            lost_before=lost_before,
            status="ok",
            pixel_format="Mono8" if image.ndim == 2 else "RGB8",
            configuration_epoch=self.book.epoch,
            image=image,
        )
        return Lease(frame)

    def probe(self) -> None:
        """Raises DeviceLost when its wire is gone."""
        self._alive()

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Twice is harmless."""
        self.stop()
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _alive(self) -> None:
        if self._sock is None:
            raise DeviceLost(self.name, "is not open", "open it first")

    def _arrived(self, number: int) -> None:
        """Count this exposure, and those passed over as lost; one that comes out of order was thought lost before."""
        if number <= self._fetched:
            self.book.lost -= 1
            return
        self.book.triggers += number - self._fetched
        self.book.lose(number - self._fetched - 1)
        self._fetched = number

    def _watch(self, sock: socket.socket) -> None:
        """On its own thread, as an SDK's: waits for edges until the socket is closed."""
        due: list[tuple[float, int, int, int, Image | DeviceError]] = []
        while sock.fileno() >= 0:
            wait_s = 0.05 if not due else max(0.0, min(0.05, due[0][0] - time.monotonic()))
            try:
                if select.select([sock], [], [], wait_s)[0]:
                    edge = msgspec.json.decode(sock.recv(MOST_BYTES), type=Edge)
                    if (made := self._expose(edge)) is not None:
                        due.append((time.monotonic() + edge.late_ms / 1e3, *made))
            except (OSError, ValueError, msgspec.DecodeError):
                continue  # closed, or no edge of ours
            due.sort(key=lambda one: one[0])
            while due and due[0][0] <= time.monotonic():
                self._deliver(due.pop(0)[1:])

    def _expose(self, edge: Edge) -> tuple[int, int, int, Image | DeviceError] | None:
        """What the sensor sees now; None when not armed, or counted and lost."""
        if not self._armed:
            return None
        self._exposures += 1
        if not edge.deliver:
            return None
        try:
            picture: Image | DeviceError = read(self._first(), self.name)
        except DeviceError as err:
            picture = err
        return self._exposures, edge.ns, edge.encoder, picture

    def _first(self) -> Path:
        try:
            return min(path for path in self.stage.iterdir() if path.suffix.lower() in SUFFIXES)
        except (OSError, ValueError) as err:
            raise DeviceTimeout(self.name, f"{self.stage}: no pictures", "name the machine's stage") from err

    def _deliver(self, frame: tuple[int, int, int, Image | DeviceError]) -> None:
        with contextlib.suppress(queue.Full):  # its number is missed later
            if self._armed:
                self._frames.put_nowait(frame)


def discover() -> list[CameraInfo]:
    """Wires are named, not found."""
    return []

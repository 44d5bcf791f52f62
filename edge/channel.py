"""Unix SEQPACKET sockets between the station's processes: whole messages, never blocking, every loss visible.

Chosen by measurement against six alternatives (docs/decisions/0001-processes-and-channels.md). A full queue is an
answer (`send` returns False), a dead peer is an event (`ChannelClosed`), a message cut short is refused.
"""

import array
import contextlib
import socket
from pathlib import Path

import msgspec

from edge.messages import Any_
from vocabulary import SettingsError

BUFFER_BYTES = 4 << 20  # asked of the kernel, which caps it at net.core.wmem_max
MAX_MESSAGE = 200_000  # below the default SO_SNDBUF − 32 = 212,960 (measured), so it fits on any machine
MAX_FDS = 1

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any_] = msgspec.msgpack.Decoder(Any_)


class ChannelClosed(Exception):
    """The peer is gone; everything it had sent has been delivered before this."""


class Channel:
    """One connected peer."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self.sock = sock
        self.full = 0  # sends refused because the peer's queue was full
        self.fds: list[int] = []  # descriptors received, taken by whoever expects them

    def fileno(self) -> int:
        """For select."""
        return self.sock.fileno()

    def send(self, message: Any_, fd: int | None = None) -> bool:
        """Queue one message; False when the peer's queue is full (counted). Raises ChannelClosed."""
        data = _encoder.encode(message)
        if len(data) > MAX_MESSAGE:
            raise ValueError(f"{type(message).__name__} of {len(data)} bytes, at most {MAX_MESSAGE}")
        try:
            if fd is None:
                self.sock.send(data)
            else:
                socket.send_fds(self.sock, [data], [fd])
        except BlockingIOError:
            self.full += 1
            return False
        except OSError as err:
            raise ChannelClosed from err
        return True

    def receive(self) -> Any_ | None:
        """The next waiting message, None when there is none now. Raises ChannelClosed at the end."""
        while True:
            try:
                data, ancillary, flags, _ = self.sock.recvmsg(MAX_MESSAGE, socket.CMSG_SPACE(4 * MAX_FDS))
            except BlockingIOError:
                return None
            except ConnectionResetError:
                continue  # the peer died with our messages unread; its own last ones are still readable
            except OSError as err:
                raise ChannelClosed from err
            break
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
                self.fds.extend(fds)
        if not data:
            raise ChannelClosed
        if flags & socket.MSG_TRUNC:
            raise ChannelClosed from ValueError("message longer than allowed")
        try:
            return _decoder.decode(data)
        except msgspec.DecodeError as err:  # another version on the other side: part with it
            raise ChannelClosed from err

    def close(self) -> None:
        """Twice is harmless."""
        self.sock.close()


class Listener:
    """Accepts peers on a socket file; the file is replaced if an earlier process left it behind."""

    def __init__(self, path: Path) -> None:
        check_length(path)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self.sock.bind(str(path))
        self.sock.listen(8)

    def fileno(self) -> int:
        """For select."""
        return self.sock.fileno()

    def accept(self) -> Channel | None:
        """A new peer, None when nobody knocks."""
        try:
            return Channel(self.sock.accept()[0])
        except BlockingIOError:
            return None


def connect(path: Path) -> Channel | None:
    """A channel to the listener at `path`, None while nobody listens there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        return None
    return Channel(sock)


def check_length(path: Path) -> None:
    """Socket paths end at 107 bytes on Linux (unix(7)). Raises SettingsError with the remedy."""
    if len(str(path).encode()) > 107:
        raise SettingsError(f"state folder: socket path {path} is longer than 107 bytes", "choose a shorter --state")

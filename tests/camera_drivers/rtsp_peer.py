"""The RTSP server as a process that tests may kill or stop, and a wire that can be held."""

import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from camera_drivers.camera import Frame

PYTHON = "/usr/bin/python3"  # Debian's, which has the bindings
NEEDS = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(map(Gst.ElementFactory.find, ("videotestsrc", "x264enc", "rtph264pay")))
"""
PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base, -good and -ugly"
START_S = 20.0  # a busy machine
CYCLE = 28 * 28  # the clock in the picture: steps of 10 ms


class Peer:
    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process, self.port = process, port

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def peer(port: int = 0, pattern: str = "solid-color") -> Iterator[Peer]:
    """A server on 127.0.0.1. Skips, with the reason, where Debian's packages are missing."""
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", NEEDS]).returncode:
        pytest.skip(f"no RTSP server: apt-get install {PACKAGES}")
    script = Path(__file__).with_name("rtsp_server.py")
    with subprocess.Popen([PYTHON, str(script), str(port), pattern], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], START_S)[0], "the RTSP server does not start"
            yield Peer(process, int(process.stdout.readline()))
        finally:
            process.kill()


class Wire:
    """A TCP relay to a port; `hold` keeps what the server sends until `release`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._ending = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._ending = True
        self._open.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while not self._ending:
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            client, _ = self._listener.accept()
            with client, socket.create_connection(("127.0.0.1", self.target)) as server, suppress(ConnectionError):
                self._relay(client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        held = bytearray()
        while not self._ending:
            ready, _, _ = select.select([client, server], [], [], 0.01)
            for one in ready:
                try:
                    data = one.recv(65536)
                except ConnectionResetError:
                    data = b""
                if one is server:
                    held += data
                else:
                    server.sendall(data)
                if not data:
                    self._open.wait()
                    client.sendall(held)
                    return
            if self._open.is_set() and held:
                client.sendall(held)
                held.clear()


def made_ns(frame: Frame) -> int:
    """When the server made this picture, from its colour; 10 ms coarse, rounded down."""
    height, width = frame.image.shape[:2]
    red, green, _ = (int(value) for value in frame.image[height // 2, width // 2])
    tick = round((red - 16) / 8) * 28 + round((green - 16) / 8)
    now = frame.arrived_ns // 10_000_000
    return (now - (now - tick) % CYCLE) * 10_000_000

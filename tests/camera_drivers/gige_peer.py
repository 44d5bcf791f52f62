"""A GigE Vision camera that nobody here wrote: Debian's `arv-fake-gv-camera-0.8`, a process behind a wire of its own.

this namespace   [jNb 169.254.N.1] ── veth, MTU 9000 ── [jNa 169.254.N.2]   namespace jN: the camera
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CAMERA = "arv-fake-gv-camera-0.8"


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


class FakeCamera:
    """The camera's process; may be killed, stopped and started again."""

    def __init__(self, namespace: str, interface: str, address: str) -> None:
        self.namespace, self.interface, self.address = namespace, interface, address
        self.serial = namespace.upper()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, lost_per_thousand: int = 0) -> None:
        self.stop()
        words = ["ip", "netns", "exec", self.namespace, CAMERA, "-i", self.interface, "-s", self.serial]
        self.process = subprocess.Popen(
            [*words, "-r", str(lost_per_thousand)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._await_socket()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)  # `ip netns exec` becomes the camera: same process id
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _await_socket(self) -> None:
        """Until UDP port 3956 (GVCP, 0F74 in hex) is bound in its namespace."""
        assert self.process is not None
        for _ in range(1000):
            table = Path(f"/proc/{self.process.pid}/net/udp")
            with contextlib.suppress(OSError):
                if f"{bytes(map(int, self.address.split('.')))[::-1].hex().upper()}:0F74" in table.read_text():
                    return
            assert self.process.poll() is None, "the camera ended"
            time.sleep(0.01)
        raise AssertionError("the camera never bound its port")


def missing() -> str | None:
    """Why this computer can't run the camera; None: it can."""
    if shutil.which(CAMERA) is None or shutil.which("ip") is None:
        return f"{CAMERA} or ip is not installed: apt-get install aravis-tools aravis-tools-cli iproute2"
    name = f"j{os.getpid()}x"
    try:
        run("ip", "netns", "add", name)
    except subprocess.CalledProcessError as err:
        return f"no network namespace (CAP_NET_ADMIN and CAP_SYS_ADMIN needed): {err.stderr.strip()}"
    run("ip", "netns", "del", name)
    return None


@dataclass(frozen=True)
class Wire:
    """A veth pair into a namespace of its own, where a camera may listen on `address`."""

    namespace: str
    interface: str
    address: str


@contextlib.contextmanager
def wire(number: int) -> Iterator[Wire]:
    """A namespace and a wire, gone afterwards. `number`: 1 … 99, one per test file."""
    name = f"j{os.getpid()}n{number}"  # unique on this computer; interface names have 15 characters at most
    near, far = f"{name}b", f"{name}a"
    net = f"169.254.{number + os.getpid() % 100}"
    try:
        run("ip", "netns", "add", name)
        run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        run("ip", "link", "set", far, "netns", name)
        run("ip", "addr", "add", f"{net}.1/24", "dev", near)
        run("ip", "link", "set", near, "mtu", "9000", "up")
        inside = ("ip", "netns", "exec", name, "ip")
        run(*inside, "addr", "add", f"{net}.2/24", "dev", far)
        run(*inside, "link", "set", far, "mtu", "9000", "up")
        run(*inside, "link", "set", "lo", "up")
        yield Wire(name, far, f"{net}.2")
    finally:
        for words in (("ip", "link", "del", near), ("ip", "netns", "del", name)):
            with contextlib.suppress(subprocess.CalledProcessError):
                run(*words)


@contextlib.contextmanager
def wired_camera(number: int) -> Iterator[FakeCamera]:
    """A running camera at the end of a wire."""
    with wire(number) as link:
        camera = FakeCamera(link.namespace, link.interface, link.address)
        try:
            camera.start()
            yield camera
        finally:
            camera.stop()

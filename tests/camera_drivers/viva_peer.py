"""The independent GigE Vision camera behind a wire: exact packet losses, and what it says itself of what happened."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.camera_drivers import gige_peer

SERVER = Path(__file__).with_name("viva_server.py")


class VivaCamera:
    """The camera's process; may be killed, stopped and started again with other faults."""

    def __init__(self, wire: gige_peer.Wire) -> None:
        self.wire = wire
        self.address = wire.address
        self.process: subprocess.Popen[str] | None = None

    def start(self, **options: Any) -> None:
        self.stop()
        words = ["ip", "netns", "exec", self.wire.namespace, sys.executable, str(SERVER), self.address]
        size = {"width": 320, "height": 240}
        self.process = subprocess.Popen(
            [*words, json.dumps(size | options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"

    def ask(self, command: str) -> dict[str, int]:
        """`truth` or `revoke`: what the camera counted."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)  # `ip netns exec` becomes the camera: same process id
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def missing() -> str | None:
    """Why this computer can't run the camera; None: it can."""
    if find_spec("viva_genicam") is None:
        return "viva-genicam is not installed: pip install 'jidoka[test]'"
    return gige_peer.missing()


@contextlib.contextmanager
def viva_camera(number: int) -> Iterator[VivaCamera]:
    """A running camera at the end of a wire. `number`: 1 … 99, one per test file."""
    with gige_peer.wire(number) as wire:
        camera = VivaCamera(wire)
        try:
            camera.start()
            yield camera
        finally:
            camera.stop()

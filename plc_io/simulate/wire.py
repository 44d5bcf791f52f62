"""The wire from the machine's part sensor to a simulated camera (`simwire:`): a datagram per edge."""

import json
import socket
from pathlib import Path


class Wire:
    """Edges go out at once and are never waited for; a camera that is not there misses them, as on a real line."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setblocking(False)

    def fire(self, encoder: int, now_s: float, *, deliver: bool, late_ms: float) -> None:
        """One edge: belt position, time of the edge on the machine's clock, and how the camera shall misbehave."""
        edge = {"encoder": encoder, "ns": int(now_s * 1e9), "deliver": deliver, "late_ms": late_ms}
        try:
            self._sock.sendto(json.dumps(edge).encode(), self.path)
        except OSError:
            return

    def close(self) -> None:
        """Done."""
        self._sock.close()

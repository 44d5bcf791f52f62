"""Which frame answers a trigger of a camera that can't be triggered. No I/O and no vendor: arrivals in, numbers out.

frames      ▓   ▓   ▓   ▓   ▓       at the camera's own rate
trigger            ^
latency             |←──→|          a frame that arrives earlier may have been exposed before the trigger
answer                   ▓          the first one that is surely younger
"""

from collections import deque

from camera_drivers.bookkeeping import Book
from vocabulary import Unsupported


class FreeRunning:
    """Triggers that wait for a frame; `latency_ms` is the greatest age that a frame has when it arrives, measured."""

    def __init__(self, book: Book, camera: str) -> None:
        self.book, self.camera = book, camera
        self.latency_ms: float | None = None
        self._waiting: deque[tuple[int, int]] = deque()  # trigger number, when it was given

    def triggered(self, number: int, now_ns: int) -> None:
        """Take the first frame that is younger than `now_ns`. Raises Unsupported: nobody knows how old frames are."""
        if self.latency_ms is None:
            what = "it runs free and nobody said how old a picture is when it arrives"
            raise Unsupported(self.camera, what, "set latency_ms to the longest time from exposure to arrival")
        self.book.triggers += 1
        self._waiting.append((number, now_ns))

    def frame(self, arrived_ns: int) -> tuple[int, int] | None:
        """Trigger number and the earliest time of the exposure; None: nobody asked for this frame."""
        exposed_ns = arrived_ns - int((self.latency_ms or 0.0) * 1e6)
        if not self._waiting or exposed_ns < self._waiting[0][1]:
            return None
        return self._waiting.popleft()[0], exposed_ns

    def end(self) -> None:
        """Triggers without a frame are lost."""
        self.book.lose(len(self._waiting))
        self._waiting.clear()

"""What every driver counts in the same way: triggers, sequences, losses."""

import time

from camera_drivers.camera import Health


class Book:
    """Triggers asked, frames given, frames lost: from our own numbers, never from a vendor's flag."""

    def __init__(self) -> None:
        self.triggers = self.delivered = self.incomplete = self.lost = 0
        self.session = self.sequence = self.epoch = 0
        self.opened = 0
        self.last_frame_ns: int | None = None
        self._lost_before = 0

    def start(self) -> None:
        """A new session: sequences begin again."""
        self.session += 1
        self.sequence = self._lost_before = 0

    def lose(self, frames: int = 1) -> None:
        """These exposures have no frame and never will."""
        self.lost += frames
        self._lost_before += frames

    def frame(self, *, complete: bool) -> tuple[int, int]:
        """Count one frame; its sequence and how many were lost before it."""
        self.sequence += 1
        self.last_frame_ns = time.monotonic_ns()
        if complete:
            self.delivered += 1
        else:
            self.incomplete += 1
        lost_before, self._lost_before = self._lost_before, 0
        return self.sequence, lost_before

    def health(self) -> Health:
        """As the contract wants it."""
        return Health(
            self.triggers, self.delivered, self.incomplete, self.lost, max(0, self.opened - 1), self.last_frame_ns
        )

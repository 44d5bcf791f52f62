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

    def start(self) -> None:
        """A new session: sequences begin again."""
        self.session += 1
        self.sequence = 0

    def next_sequence(self, *, complete: bool) -> int:
        """Count one frame and number it."""
        self.sequence += 1
        self.last_frame_ns = time.monotonic_ns()
        if complete:
            self.delivered += 1
        else:
            self.incomplete += 1
        return self.sequence

    def health(self) -> Health:
        """As the contract wants it."""
        return Health(
            self.triggers, self.delivered, self.incomplete, self.lost, max(0, self.opened - 1), self.last_frame_ns
        )

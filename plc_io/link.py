"""The link contract: words in, words out, and every doubt an error."""

from collections.abc import Sequence
from typing import Protocol


class Link(Protocol):
    """One connection to one PLC, owned by one thread.

    Any time-out or error closes the client for good: clients have been seen to return the previous answer after a
    time-out, so the next `open` makes a new one.
    """

    name: str

    def open(self) -> None:
        """Connect. Raises DeviceLost."""

    def read(self, address: int, count: int) -> list[int]:
        """`count` words in one request. Raises DeviceLost, DeviceTimeout."""

    def write(self, address: int, words: Sequence[int]) -> None:
        """Words in one request. Raises DeviceLost, DeviceTimeout."""

    def close(self) -> None:
        """Twice is harmless."""

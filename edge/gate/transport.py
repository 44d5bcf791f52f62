"""How long triggers and verdicts travel: what the PLC's deadline must give away, measured on this line."""

from collections import deque

PARTS = 1_000  # whose maxima count


class Transport:
    """Upper bounds as the gate sees them, over the last PARTS parts. Nanoseconds in, milliseconds out."""

    def __init__(self) -> None:
        self._triggers: deque[int] = deque(maxlen=PARTS)
        self._results: deque[int] = deque(maxlen=PARTS)

    def trigger(self, earliest_ns: int | None, seen_ns: int) -> None:
        """A trigger was published after `earliest_ns` (the poll before) and seen at `seen_ns`."""
        if earliest_ns is not None:
            self._triggers.append(seen_ns - earliest_ns)

    def consumed(self, written_ns: int, seen_ns: int) -> None:
        """A result was written, and its acknowledgement seen."""
        self._results.append(seen_ns - written_ns)

    @property
    def worst_ms(self) -> float:
        """The longest way in and the longest way out, together."""
        return (max(self._triggers, default=0) + max(self._results, default=0)) / 1e6

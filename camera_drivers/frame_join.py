"""Which trigger a frame answers, by the device's own frame ids. No I/O and no vendor: ids in, trigger numbers out.

triggers   1   2   3   4           given, in order
frames    id0     id2 id3          id1 was passed over: trigger 2 has lost its frame, and none shifts to another part
"""

import time
from collections import deque

from camera_drivers.bookkeeping import Book

GIGE_LAST_ID = 0xFFFF  # GigE Vision 1.x: a 16-bit id goes on with 1


class FrameJoin:
    """Triggers that wait for their frames, and the id of the frame that came last."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.first_id: int | None = None  # of a session, by transport; None: not known
        self._last_id: int | None = None
        self._waiting: deque[tuple[int, int, bool]] = deque()  # trigger number, when it was given, surely exposed

    def begin(self) -> None:
        """A session: ids begin again."""
        self._last_id = None if self.first_id is None else self.first_id - 1

    def end(self) -> None:
        """Triggers without a frame are lost."""
        self.book.lose(len(self._waiting))
        self._waiting.clear()

    def triggered(self, number: int, here: int | None = None) -> None:
        """Just before the command is given.

        `here`, for a camera that swallows a trigger given too early and uses no id for it: frames that have arrived
        and were not fetched. While an earlier trigger has no frame yet, this one may be swallowed: no frame is its
        own for sure, unless ids show that none was swallowed.
        """
        self.book.triggers += 1
        idle = here is None or not self._waiting or (here >= len(self._waiting) and self._waiting[-1][2])
        self._waiting.append((number, time.monotonic_ns(), idle))

    def frame(self, frame_id: int | None) -> tuple[int | None, int]:
        """Trigger number (None: nobody's, or not to be known) and time of the frame with this id (None: it has none).

        Triggers whose ids were passed over are counted as lost.
        """
        if frame_id is None:
            return self._without_id()
        gap = 0 if self._last_id is None else ids_between(self._last_id, frame_id)
        self._last_id = frame_id
        if gap:
            self.book.lose(gap)
            asked = min(gap, len(self._waiting))
            self.book.triggers += gap - asked  # a wire's
            for _ in range(asked):
                self._waiting.popleft()
        if self._waiting:
            number, given_ns, sure = self._waiting.popleft()
            return (number if sure or not self._waiting else None), given_ns  # none left: as many ids as triggers
        self.book.triggers += 1  # a wire's, or nobody's
        return None, time.monotonic_ns()

    def _without_id(self) -> tuple[int | None, int]:
        """The only waiting trigger, else None; it uses up one trigger and one id."""
        if self._last_id is not None:
            at_wrap = self.first_id == 1 and self._last_id == GIGE_LAST_ID
            self._last_id = 1 if at_wrap else self._last_id + 1
        if not self._waiting:
            self.book.triggers += 1  # a wire's, or nobody's
            return None, time.monotonic_ns()
        alone = len(self._waiting) == 1
        number, given_ns, _ = self._waiting.popleft()
        return (number if alone else None), given_ns


def ids_between(last: int, now: int) -> int:
    """How many frame ids were passed over from `last` to `now`; 16-bit ids go on with 1 after 65535."""
    if now > last:
        return now - last - 1
    return now - 1 + GIGE_LAST_ID - last if last <= GIGE_LAST_ID else 0

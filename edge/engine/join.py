"""Which frame of a wired camera belongs to which trigger: in order *and* by place, or not at all. Pure, no device.

part        1       2       3            half: half the least part spacing
trigger   |[e s]  |[e s]  |[e s]         happened between the poll before (e) and the poll that saw it (s)
frame        ▓       ▓       ▓           at trigger + offset; index 7, 8, 9: base = index − trigger number
window    <---->  <---->  <---->         e − half … s + half around the expected place

Joined is only the frame whose index says "this trigger" and whose place says so too. Where the two disagree (a trigger
or a frame lost, doubled, late, in another order) nothing can be told of any part in the section: all are NOT_INSPECTED
until it was empty once. The first trigger and the first frame after that must fit one another; they give the new base.
By encoder this holds under any number of faults. By time it takes a camera that numbers and dates its exposures, and a
PLC that publishes its triggers within half a spacing: one that is late by a whole spacing, with its own exposure
missing, looks like the next part (docs/decisions/0005).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from vocabulary import Reason

T = TypeVar("T")
HALF_U32, U32 = 1 << 31, 1 << 32
MOST_WAITING = 32  # frames nobody asked for; beyond that something is out of step anyway


@dataclass(frozen=True, slots=True)
class Place:
    """How places are measured, and how sure a frame can be of its trigger: nanoseconds, or encoder counts."""

    offset: int  # from trigger to exposure, calibrated on an empty belt
    half: int  # half the least part spacing
    wraps: bool = False  # encoder counts are u32

    def after(self, at: int, other: int) -> int:
        """How far `at` lies behind `other`."""
        return (at - other + HALF_U32) % U32 - HALF_U32 if self.wraps else at - other


@dataclass(frozen=True, slots=True)
class Asked:
    """A trigger that wants its frame. By encoder `earliest` and `latest` are the same count."""

    epoch: int  # the PLC's
    number: int  # counts every trigger of this epoch, also those that nobody asks for
    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """A frame that came."""

    index: int  # the device's own count of exposures; where it has none, of frames
    at: int
    frame: T


class State(Enum):
    """How much is known."""

    UNSURE = "unsure"  # frames and triggers can't be told apart: wait until the section is empty
    EMPTY = "empty"  # the next trigger and the next frame are a pair, or nothing is
    JOINED = "joined"  # index − trigger number is known


WEIGHT = 0.1  # of the newest part in the mean of how far exposures lie off their place
WAIT = object()  # no answer yet
AMBIGUOUS = Reason(
    "join_ambiguous",
    "a trigger or frame was lost, doubled or late: parts are told apart again once the section was empty",
)


class Join(Generic[T]):
    """Frames and triggers of one wired camera. `now` and `quiet` are nanoseconds of the one clock."""

    def __init__(
        self, place: Place, quiet: int, now: int, *, counted: bool, dropped: Callable[[T], None] = lambda _: None
    ) -> None:
        self.place = place
        self.dropped = dropped  # takes back each frame that joins nothing
        self.counted = counted  # the device numbers its exposures, also those that it loses
        self.quiet = quiet  # so long without frame or trigger: the section is empty
        self.state = State.UNSURE
        self.base = 0  # index − trigger number, in JOINED
        self.ambiguities = 0
        self.off = 0.0  # mean share of `half` by which exposures lie outside their triggers' interval: 1 is the end
        self._waiting: deque[Seen[T]] = deque()
        self._asked: tuple[int, int] | None = None  # epoch and number of the trigger that asked last
        self._last = now  # when something happened last

    def idle(self, now: int) -> None:
        """Time passes: after `quiet` without anything the section is empty."""
        if self.state is State.UNSURE and now - self._last >= self.quiet:
            self.state = State.EMPTY

    def frame(self, index: int, at: int, frame: T, now: int) -> None:
        """A frame came; it is kept until its trigger, or a later one, asks."""
        self.idle(now)
        self._last = now
        if self.state is State.UNSURE:
            self.dropped(frame)
            return
        self._waiting.append(Seen(index, at, frame))
        if len(self._waiting) > MOST_WAITING:
            self._lose()

    def take(self, asked: Asked, now: int) -> T | Reason | object:
        """The one frame of this trigger, or why it has none, or WAIT."""
        self.idle(now)
        self._last = now
        if self.state is State.JOINED and not self._follows(asked):
            self._lose()
        self._asked = asked.epoch, asked.number
        if self.state is State.UNSURE:
            return AMBIGUOUS
        if self.place.after(asked.latest, asked.earliest) >= self.place.half:
            return Reason("trigger_age_unknown", "the trigger may be older than half a part spacing")
        if self.state is State.EMPTY:
            return self._first(asked)
        expected = asked.number + self.base
        while self.counted and self._waiting and self._waiting[0].index < expected:
            self.dropped(self._waiting.popleft().frame)  # of triggers that nobody asked for
        if not self._waiting:
            return WAIT
        ahead = self._waiting[0]
        if ahead.index == expected and self._fits_alone(ahead, asked):
            self._note(ahead, asked)
            return self._waiting.popleft().frame
        if ahead.index > expected and not any(self._fits(seen, asked) for seen in self._waiting):
            return Reason("frame_lost", f"the camera counted exposure {expected} and did not deliver it")
        return self._lose()

    def missing(self, now: int) -> Reason:
        """The frame that `take` waited for did not come in time: from here on order proves nothing."""
        self._last = now
        self._lose()
        return Reason("camera_no_frame", "no frame came for this trigger: check trigger wire, light and camera")

    def reopened(self, now: int) -> None:
        """The camera was stopped and started: its count begins anew."""
        self._last = now
        self._lose()

    def _first(self, asked: Asked) -> T | Reason | object:
        if not self._waiting:
            return WAIT
        seen = self._waiting[0]
        if not self._fits_alone(seen, asked):
            return self._lose()
        self.state, self.base = State.JOINED, seen.index - asked.number
        return self._waiting.popleft().frame

    def _follows(self, asked: Asked) -> bool:
        """Asked again, the next trigger, or a later one where exposures passed over prove nothing wrong."""
        if self._asked is None or asked.epoch != self._asked[0]:
            return False  # the numbers begin again
        ahead = asked.number - self._asked[1]
        return ahead in (0, 1) or (ahead > 1 and self.counted)

    def _fits(self, seen: Seen[T], asked: Asked) -> bool:
        early = self.place.after(asked.earliest + self.place.offset, seen.at)
        late = self.place.after(seen.at, asked.latest + self.place.offset)
        return early < self.place.half and late < self.place.half

    def _note(self, seen: Seen[T], asked: Asked) -> None:
        """A belt that slips or a sensor that moved shows here long before a part is lost to it."""
        early = self.place.after(asked.earliest + self.place.offset, seen.at)
        late = self.place.after(seen.at, asked.latest + self.place.offset)
        self.off += WEIGHT * (max(early, late, 0) / self.place.half - self.off)

    def _fits_alone(self, seen: Seen[T], asked: Asked) -> bool:
        return self._fits(seen, asked) and sum(self._fits(other, asked) for other in self._waiting) == 1

    def _lose(self) -> Reason:
        self.ambiguities += self.state is not State.UNSURE
        self.state = State.UNSURE
        while self._waiting:
            self.dropped(self._waiting.popleft().frame)
        return AMBIGUOUS

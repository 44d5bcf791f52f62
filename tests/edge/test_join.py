"""No verdict ever shifts to another part: whatever is lost, doubled, late or out of order between sensor and engine.

The belt here is a list of parts with true times; frames carry the number of the part that they show. It shares no code
with the join.
"""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.engine.join import WAIT, Asked, Join, Place, State
from vocabulary import Reason

SPACING, POLL, WAITS, QUIET = 100, 2, 90, 400  # ms; half the least spacing is 40, the longest wait for a frame 90


@dataclass
class Part:
    """What happens to one part on its way."""

    gap: int  # to the part before
    trigger: str = "ok"  # ok, lost, doubled, not asked
    trigger_late: int = 0
    frame: str = "ok"  # ok, lost (counted by the camera), uncounted, doubled
    frame_late: int = 0
    jitter: int = 0


SOURCES: list[dict[str, bool]] = [
    {"counted": True, "by_encoder": True},
    {"counted": False, "by_encoder": True},
    {"counted": True},  # by time the camera must number its exposures; the engine refuses others
]

parts = st.builds(
    Part,
    gap=st.sampled_from([SPACING] * 6 + [130, 260, 700]),
    trigger=st.sampled_from(["ok"] * 12 + ["lost", "doubled", "not asked"]),
    trigger_late=st.sampled_from([0] * 10 + [20, 60, 100, 130, 210]),
    frame=st.sampled_from(["ok"] * 12 + ["lost", "uncounted", "doubled"]),
    frame_late=st.sampled_from([0] * 10 + [20, 60, 100, 130, 210]),
    jitter=st.integers(-5, 5),
)


@dataclass
class Line:
    """Plays a belt to a Join and writes down which part each trigger got."""

    counted: bool  # the camera numbers its exposures
    by_encoder: bool = False
    wrong_by: int = 0  # the camera's times, always
    got: list[tuple[int, int | str]] = field(default_factory=list)  # part the trigger was for, part on the frame

    def play(self, belt: list[Part]) -> None:
        """Frames and triggers in the order in which they reach the engine."""
        place = Place(offset=30, half=40, wraps=self.by_encoder)
        join: Join[int] = Join(place, QUIET, 0, counted=self.counted)
        happenings: list[tuple[int, int, str, tuple[int, ...]]] = []  # time, tie, what, values
        now, index, number = 1_000, 0, 0
        for k, part in enumerate(belt, 1):
            now += part.gap
            for _ in range({"lost": 0, "doubled": 2}.get(part.trigger, 1)):
                number += 1
                published = now + part.trigger_late  # the PLC's scan that tells of it
                at = (now, now) if self.by_encoder else (published - POLL, published)
                if part.trigger != "not asked":
                    happenings.append((published, number, "trigger", (k, number, *at)))
            exposed = now + 30 + part.jitter
            for _ in range({"lost": 0, "uncounted": 0, "doubled": 2}.get(part.frame, 1)):
                index += 1
                came = exposed + part.frame_late
                at_frame = exposed + self.wrong_by
                happenings.append((came, index, "frame", (k, index if self.counted else -1, at_frame)))
            if part.frame == "lost":
                index += 1
        self._run(join, sorted(happenings))

    def _run(self, join: Join[int], happenings: list[tuple[int, int, str, tuple[int, ...]]]) -> None:
        received, owed = 0, None
        for when, _, what, values in [*happenings, (10**9, 0, "end", ())]:
            if owed is not None and when > owed[0]:
                self.got.append((owed[1], join.missing(owed[0]).code))
                owed = None
            if what == "frame":
                received += 1
                shown, index, at = values
                join.frame(received if index < 0 else index, at, shown, when)
            elif what == "trigger":
                if owed is not None:  # the engine is asked one question at a time; the gate gives the older part up
                    self.got.append((owed[1], join.missing(when).code))
                k, number, earliest, latest = values
                owed = (when + WAITS, k, Asked(1, number, earliest, latest))
            if owed is not None:
                found = join.take(owed[2], when)
                if found is not WAIT:
                    assert isinstance(found, (int, Reason))
                    self.got.append((owed[1], found.code if isinstance(found, Reason) else found))
                    owed = None


def shifted(source: dict[str, bool], belt: list[Part]) -> list[tuple[int, int]]:
    """Triggers that got the picture of another part."""
    line = Line(**source)
    line.play([Part(2_000), *belt])
    return [(asked, shown) for asked, shown in line.got if isinstance(shown, int) and asked != shown]


@settings(max_examples=1000)
@given(belt=st.lists(parts, min_size=1, max_size=25), counted=st.booleans())
def test_by_encoder_no_trigger_ever_gets_the_picture_of_another_part(belt: list[Part], counted: bool) -> None:
    assert shifted({"counted": counted, "by_encoder": True}, belt) == []


@settings(max_examples=1000)
@given(belt=st.lists(parts, min_size=1, max_size=25))
def test_by_time_neither_while_the_plc_publishes_its_triggers_in_time(belt: list[Part]) -> None:
    """A trigger late by a whole spacing whose own exposure is missing looks like the next part: only encoders tell."""
    assert shifted({"counted": True}, [replace(part, trigger_late=min(part.trigger_late, 20)) for part in belt]) == []


@pytest.mark.parametrize("source", SOURCES)
def test_a_calm_belt_gives_every_part_its_picture(source: dict[str, bool]) -> None:
    line = Line(**source)
    line.play([Part(SPACING, jitter=(k % 11) - 5) for k in range(200)])
    assert line.got == [(k, k) for k in range(1, 201)]


@pytest.mark.parametrize("fault", [{"trigger": "lost"}, {"trigger": "doubled"}, {"frame": "uncounted"}])
def test_after_a_fault_nothing_is_joined_until_the_section_was_empty_and_everything_after(
    fault: dict[str, str],
) -> None:
    calm = [Part(SPACING) for _ in range(10)]
    line = Line(counted=True)
    line.play([Part(2_000), *calm, Part(SPACING, **fault), *calm, Part(2_000), *calm])
    shown = dict(line.got)
    assert [shown[k] for k in range(1, 12)] == list(range(1, 12))
    assert all(isinstance(shown[k], str) for k in range(14, 23))
    assert [shown[k] for k in range(23, 34)] == list(range(23, 34))


def test_an_exposure_that_the_camera_counts_and_loses_costs_its_own_part_only() -> None:
    calm = [Part(SPACING) for _ in range(5)]
    line = Line(counted=True, by_encoder=True)
    line.play([Part(2_000), *calm, Part(SPACING, frame="lost"), *calm])
    assert [shown for _, shown in line.got] == [1, 2, 3, 4, 5, 6, "camera_no_frame", *["join_ambiguous"] * 5]


def test_triggers_that_nobody_asks_for_shift_nothing() -> None:
    line = Line(counted=True)
    line.play([Part(SPACING, trigger="ok" if k % 3 else "not asked") for k in range(1, 60)])
    assert all(asked == shown for asked, shown in line.got)


@pytest.mark.parametrize("late", [100, 200])
def test_a_camera_whose_clock_is_a_part_late_is_never_believed(late: int) -> None:
    line = Line(counted=True, wrong_by=late)
    line.play([Part(2_000), *[Part(SPACING) for _ in range(30)]])
    assert all(isinstance(shown, str) for _, shown in line.got)


def test_encoder_counts_may_wrap_between_trigger_and_frame() -> None:
    join: Join[str] = Join(Place(offset=30, half=40, wraps=True), QUIET, 0, counted=True)
    join.frame(5, 12, "picture", 10_000)
    assert join.take(Asked(1, 1, 2**32 - 17, 2**32 - 17), 10_001) == "picture"
    assert join.state is State.JOINED


@pytest.mark.parametrize(("off", "drifts"), [(0, False), (10, False), (30, True), (-30, True)])
def test_exposures_that_lie_nearer_to_the_neighbour_are_noticed_before_any_is_lost(off: int, drifts: bool) -> None:
    join: Join[int] = Join(Place(offset=30, half=40), QUIET, 0, counted=True)
    for number in range(1, 41):
        at = 1_000 + number * SPACING
        join.frame(number, at + 30 + off, number, at + 60)
        assert join.take(Asked(1, number, at, at), at + 60) == number
    assert (join.off >= 0.5) is drifts

"""Records that a killed gate held are all there for the next one."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gate import journal
from edge.gate.journal import Journal
from edge.messages import Record


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(journal, "HALF_BYTES", 1500)
    monkeypatch.setattr(journal, "SIZE", journal.HEADER_BYTES + 3000)
    yield


def record(sequence: int, size: int = 10) -> Record:
    return Record(7, sequence, "part", sequence, {"text": "x" * size})


@given(st.lists(st.one_of(st.integers(0, 400), st.sampled_from(["commit all", "commit some", "kill"])), max_size=60))
def test_what_is_held_is_there_after_a_kill(steps: list[int | str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "HALF_BYTES", 1500)
        patch.setattr(journal, "SIZE", journal.HEADER_BYTES + 3000)
        fd = journal.make()
        its, held, sequence = Journal(fd), list[Record](), 0
        for step in steps:
            if step == "kill":
                its = Journal(fd)
            elif step == "commit all":
                held.clear()
                its.clear()
            elif step == "commit some":
                del held[: len(held) // 2]  # the journal is told of it at its next change of halves
            else:
                sequence += 1
                its.add(record(sequence, int(step)), held)
                kept = record(sequence, int(step)) in Journal(fd).left_over()
                assert kept or its.full  # what found no room is told: nothing is OK from there on
                if kept:
                    held.append(record(sequence, int(step)))
            found = Journal(fd).left_over()
            assert [one for one in found if one in held] == held
            assert len({one.sequence for one in found}) == len(found)
        os.close(fd)


def test_a_full_journal_says_so_and_keeps_what_it_has(small: None) -> None:
    fd = journal.make()
    its = Journal(fd)
    held: list[Record] = []
    while not its.full:
        its.add(record(len(held) + 1, 200), held)
        held.append(record(len(held) + 1, 200))
    assert Journal(fd).left_over() == held[:-1]
    its.clear()
    assert not its.full
    assert Journal(fd).left_over() == []
    os.close(fd)

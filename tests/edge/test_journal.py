"""Records that a killed gate held are all there for the next one."""

import os
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station's `run` folder, and a /dev/shm of its own."""
    monkeypatch.setattr(journal, "SHARED", tmp_path / "shm")
    (tmp_path / "shm").mkdir()
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def test_what_a_killed_station_held_is_there_for_the_next_one_until_it_is_given_up(run: Path) -> None:
    first = journal.take(run)
    Journal(first).add(record(1), [])
    os.close(first)
    second = journal.take(run)
    assert [one.sequence for one in Journal(second).left_over()] == [1]
    os.close(second)
    journal.give_up(run)
    assert list(journal.SHARED.iterdir()) == []
    third = journal.take(run)
    assert Journal(third).left_over() == []
    os.close(third)


def test_another_ledger_never_gets_its_records_and_leftovers_are_swept(run: Path) -> None:
    os.close(journal.take(run))
    (old,) = journal.SHARED.iterdir()
    (run / "journal").unlink()  # the state folder was removed and made anew
    fd = journal.take(run)
    assert [path.name for path in journal.SHARED.iterdir()] != [old.name]
    assert len(list(journal.SHARED.iterdir())) == 1
    os.close(fd)


def test_without_room_it_is_memory_of_the_supervisor(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SHARED", run / "no such folder")
    fd = journal.take(run)
    Journal(fd).add(record(1), [])
    assert len(Journal(fd).left_over()) == 1
    assert not (run / "journal").exists()
    os.close(fd)

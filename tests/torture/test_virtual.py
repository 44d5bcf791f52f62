"""The million parts of `python -m benchmarks.virtual` in short: the same machine, faults and invariants."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.virtual.__main__ import run
from benchmarks.virtual.faults import MEAN_PARTS, Schedule
from benchmarks.virtual.machine import TAKT
from edge.recorder.verify import reconcile_counters


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """What a killed process held and nobody closed is an error here, not in somebody else's test."""
    yield
    gc.collect()


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_part_is_lost_or_wrongly_cleared_in_virtual_time(tmp_path: Path, seed: int) -> None:
    world, check, _ = run(tmp_path, 2_000, seed, 5.0, lambda share, seconds: None)
    assert check.problems == {}, check.examples
    assert check.kinds["part"] == world.machine.count == 2_000
    assert world.now > 2_000 * TAKT
    assert check.verdicts["OK"] > 100  # faults left something to judge
    assert reconcile_counters(world.state.ledger)["reconciled"]


@pytest.mark.parametrize("seed", range(1, 4))
def test_no_part_is_lost_between_two_cameras_in_virtual_time(tmp_path: Path, seed: int) -> None:
    world, check, _ = run(tmp_path, 1_500, seed, 5.0, lambda share, seconds: None, further=70)
    assert check.problems == {}, check.examples
    assert check.kinds["part"] == world.machine.count == 1_500
    assert check.verdicts["OK"] > 100


def test_without_faults_every_part_gets_the_engines_verdict(tmp_path: Path) -> None:
    world, check, _ = run(tmp_path, 1_000, 7, 1e-9, lambda share, seconds: None)
    assert check.problems == {}, check.examples
    assert check.not_taken == 0
    assert set(check.reasons) <= {"virtual"}
    assert world.machine.timeouts == 0


def test_each_kind_of_fault_comes() -> None:
    faults = Schedule(1, 1.0, range(0))
    for part in range(300_000):
        faults.at(part)
    assert faults.armed == set(MEAN_PARTS)

"""The million parts of `python -m benchmarks.virtual` in short: the same machine, faults and invariants."""

import gc
from pathlib import Path

import pytest

from benchmarks.virtual.__main__ import run
from benchmarks.virtual.faults import MEAN_PARTS, Schedule
from benchmarks.virtual.machine import TAKT


@pytest.mark.parametrize("seed", range(1, 7))
def test_no_part_is_lost_or_wrongly_cleared_in_virtual_time(tmp_path: Path, seed: int) -> None:
    world, check, _ = run(tmp_path, 2_500, seed, 5.0, lambda share, seconds: None)
    assert check.problems == {}, check.examples
    assert check.kinds["part"] == world.machine.count == 2_500
    assert world.now > 2_500 * TAKT
    assert check.verdicts["OK"] > 100  # faults left something to judge


def test_without_faults_every_part_gets_the_engines_verdict(tmp_path: Path) -> None:
    world, check, _ = run(tmp_path, 1_500, 7, 1e-9, lambda share, seconds: None)
    assert check.problems == {}, check.examples
    assert check.not_taken == 0
    assert set(check.reasons) <= {"virtual"}
    assert world.machine.timeouts == 0


def test_each_kind_of_fault_comes() -> None:
    faults = Schedule(1, 1.0, range(0))
    for part in range(300_000):
        faults.at(part)
    assert faults.armed == set(MEAN_PARTS)


@pytest.fixture(autouse=True)
def leave_nothing_open() -> None:
    """What a killed process held is given back here, not in somebody else's test."""
    gc.collect()

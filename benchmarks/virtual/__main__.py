"""`python -m benchmarks.virtual`: the run, its invariants, its figures. Exit code 1 when an invariant breaks."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.virtual.check import Check
from benchmarks.virtual.faults import Schedule
from benchmarks.virtual.world import World, peak_mb, play

BEFORE_WRAP = 1_000  # the u32 counters wrap after so many parts


def run(
    folder: Path, parts: int, seed: int, hard: float, told: Callable[[float, float], None], further: int = 0
) -> tuple[World, Check, float]:
    """One run and its check."""
    calm = range(parts * 4 // 10, parts * 5 // 10)
    world = World(folder, parts, (1 << 32) - BEFORE_WRAP, Schedule(seed, hard, calm), further)
    took = play(world, told)
    check = Check(world.machine, world.engine)
    check.run(world.state.ledger)
    for crash, count in (world.crashes + world.recorder.crashes).items():
        check.problems[f"crashed: {crash}"] = count
    return world, check, took


def table(title: str, rows: dict[str, int]) -> None:
    """Name and count, most frequent first."""
    print(f"\n{title}")
    for name, count in sorted(rows.items(), key=lambda row: -row[1]):
        print(f"  {count:>9,}  {name}")


def main() -> int:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parts", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--hard", type=float, default=1.0, help="faults so many times as often")
    options.add_argument("--further", type=int, default=0, help="a second camera so many counts (ms of belt) behind")
    options.add_argument("--state", type=Path, help="keep the run's ledger here")
    asked = options.parse_args()

    def told(share: float, seconds: float) -> None:
        print(f"{share:>5.0%} after {seconds:.0f} s, peak memory {peak_mb():.0f} MB", flush=True)

    with tempfile.TemporaryDirectory(prefix="jidoka-virtual-") as temporary:
        world, check, took = run(
            asked.state or Path(temporary), asked.parts, asked.seed, asked.hard, told, asked.further
        )
    machine, engine = world.machine, world.engine
    print(f"{machine.count:,} parts, seed {asked.seed}: {took:.0f} s, {machine.count / took:.0f} parts/s, "
          f"{world.now / 1e9:.0f} virtual seconds, {world.wire.requests:,} requests")  # fmt: skip
    table("injected", dict(world.faults.done))
    table("verdicts", dict(check.verdicts))
    table("NOT_INSPECTED because", dict(check.reasons))
    table("ledger rows", dict(check.kinds))
    table("the machine", {
        "passed": machine.routed.count(2), "rejected": machine.rejects, "recheck lane": machine.routed.count(3),
        "no verdict in time": machine.timeouts, "results refused as late": machine.late,
        "results refused for another reason": machine.refused,
        "verdicts in a row that it did not take": check.not_taken,
        "triggers the engine was asked about twice": engine.asked_again,
    })  # fmt: skip
    table("16-bit sequences wrapped", dict(machine.wraps))
    table("broken invariants", dict(check.problems) or {"none": 0})
    for problem, example in check.examples.items():
        print(f"  {problem}: {example}")
    return 1 if check.problems else 0


if __name__ == "__main__":
    sys.exit(main())

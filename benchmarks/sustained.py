"""The highest line speed that this machine sustains, for one camera and for three cameras per part."""

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks import rig
from benchmarks.rig import JITTER, Line, Rig, Toml, load, percentiles

SIDE = 256  # pixels
STEP = 0.85  # each takt is so much of the last
SLOWEST_S = {1: 0.1, 3: 0.25}  # cameras → the first takt
DEADLINE_MS = 200  # the demo's
REACHED = 0.98  # of the speed asked for: less, and the simulated machine is what limits


def cameras(count: int) -> rig.Edit:
    """So many `folder:` cameras before the part, a tool for each."""

    def edit(station: Toml, recipe: Toml) -> None:
        stage = f"folder:{Path(station['cameras'][0]['settings']['image_folder'])}"
        names = [f"camera{n}" for n in range(count)]
        station["cameras"] = [{"name": name, "uri": stage} for name in names]
        package = recipe["tools"][0]["package"]
        recipe["tools"] = [{"name": f"tool-{name}", "camera": name, "package": package} for name in names]

    return edit


def step(its: Rig, count: int, takt_s: float, seconds: float) -> tuple[bool, str]:
    """One run. Was it without a miss, and what to say of it."""
    line = Line(round(seconds / takt_s), takt_s, deadline_ms=DEADLINE_MS, edit=cameras(count))
    with rig.running(its, line):
        its.finished(within_s=3 * seconds + 60)
        while_running = load()
        assert its.line is not None
        machine = its.line.result()
    account, _, result = its.accounts()
    times = sorted(rig.seconds(row["triggered_utc"]) for row in account)
    reached = (len(times) - 1) / (times[-1] - times[0])
    latency = [row["consumed_ms"] for row in account if row["consumed_ms"] is not None]
    passed = not machine["timeouts"] and not result["not_inspected"] and result["reconciled"]
    if reached < REACHED / takt_s:
        passed = False
    said = (
        f"{count} cameras, takt {takt_s:.4f} s: {reached:.2f} parts/s of {1 / takt_s:.2f}, {len(account)} parts, "
        f"misses {machine['timeouts']}, not inspected {result['not_inspected'] or 'none'}, "
        f"ms p50/p99/p99.9/max {percentiles(latency)}; {while_running}"
    )
    return passed, said


def main(words: list[str] | None = None) -> None:
    """Print the table of steps and the last speed that passed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=30.0, help="of each step")
    options.add_argument("--cameras", type=int, nargs="+", default=[1, 3])
    options.add_argument("--slowest-s", type=float, help="the first takt")
    options.add_argument("--step", type=float, default=STEP)
    options.add_argument("--tries", type=int, default=2, help="a step fails when so many runs in a row fail")
    asked = options.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="jidoka-bench-") as root:
        its = rig.teach(Path(root), side=SIDE)
        print(f"{SIDE} × {SIDE} pixels, spacing ± {JITTER:.0%}, deadline {DEADLINE_MS} ms, {os.cpu_count()} cores")
        for count in asked.cameras:
            takt_s, best = asked.slowest_s or SLOWEST_S.get(count, 0.1 * count), 0.0
            while True:
                passed = False
                for _ in range(asked.tries):
                    its = rig.again(its)
                    passed, said = step(its, count, takt_s, asked.seconds)
                    print(f"{'sustained' if passed else 'FAILED'}: {said}", flush=True)
                    if passed:
                        break
                if not passed:
                    break
                best = 1 / takt_s
                takt_s *= asked.step
            print(f"{count} cameras: highest speed sustained for {asked.seconds:g} s: {best:.1f} parts/s", flush=True)


if __name__ == "__main__":
    main()

"""Is the first part after a pause slow? And what does it cost to run without the right to SCHED_FIFO?"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import rig
from benchmarks.load import beside
from benchmarks.rig import Line, PlcView, Rig, get, load, percentiles

GAPS_S = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
BETWEEN = 10  # parts between two pauses
SETTLED = 3  # parts after a pause that are not called steady
DEADLINE_MS = 150
WITHOUT = (
    "setpriv",
    "--bounding-set",
    "-sys_nice",
    "--inh-caps",
    "-sys_nice",
)  # util-linux; root alone is not enough then


def pauses(its: Rig, gaps_s: list[float], repeat: int, takt_s: float) -> None:
    """One run with every pause so many times, in turn; prints the table."""
    before = {BETWEEN * (k + 1): gap for k, gap in enumerate(gaps_s * repeat)}  # part → pause before it
    parts = BETWEEN * (len(before) + 1)
    faults = tuple(f"gap@{part}:{gap}" for part, gap in before.items())
    with rig.running(its, Line(parts, takt_s, deadline_ms=DEADLINE_MS, faults=faults)):
        its.finished(within_s=60 + 2 * parts * takt_s + sum(before.values()))
    account, ledger, result = its.accounts()
    rows = {row["part"]: row for row in account}
    latency = {number: row["consumed_ms"] for number, row in rows.items() if row["consumed_ms"] is not None}
    run_ms = {
        row["plc"]["part_id"]: (row["laps_us"]["inferred"] - row["laps_us"]["preprocessed"]) / 1e3
        for row in ledger
        if "inferred" in row["laps_us"]
    }
    steady = [n for n in latency if n > BETWEEN and n % BETWEEN >= SETTLED]
    common = float(np.median([latency[n] for n in steady]))
    run = float(np.median([run_ms[n] for n in steady if n in run_ms]))
    print(f"pauses, takt {takt_s} s, ms p50/p99/p99.9/max; {load()}")
    print(f"steady: {len(steady)} parts: {percentiles([latency[n] for n in steady])}; session.run p50 {run:.2f}")
    for gap in gaps_s:
        first = [n for n, its_gap in before.items() if its_gap == gap]
        there = [latency[n] for n in first if n in latency]
        its_run = [run_ms[n] for n in first if n in run_ms]
        print(f"first after {gap:g} s: {len(there)} of {len(first)} parts: {percentiles(there)}; session.run p50 "
              f"{np.median(its_run):.2f}; p50 × {np.median(there) / common:.2f}")  # fmt: skip
    print(f"not inspected: {result['not_inspected'] or 'none'}; reconciled: {result['reconciled']}")


def rights(its: Rig, *, fifo: bool, parts: int, takt_s: float, busy: int) -> Rig:
    """One run with or without the right, beside busy processes; prints its line."""
    its = rig.again(its)
    with rig.running(its, Line(parts, takt_s, deadline_ms=DEADLINE_MS, prefix=() if fifo else WITHOUT)):
        with beside(busy=busy):
            plc = PlcView(its.machine_uri)
            bit = plc.bit("degraded_timing")
            plc.close()
            its.finished(within_s=60 + 5 * parts * takt_s)
        _, state = get(its.url, "/api/state")
        assert its.line is not None
        machine = its.line.result()
    account, _, result = its.accounts()
    latency = [row["consumed_ms"] for row in account if row["consumed_ms"] is not None]
    banner = [
        why["text"] for why in (state or {}).get("gate", {}).get("banner", []) if why["code"] == "degraded_timing"
    ]
    print(f"{'with' if fifo else 'without'} SCHED_FIFO, {busy} busy processes, {len(account)} parts, "
          f"ms p50/p99/p99.9/max {percentiles(latency)}; misses {machine['timeouts']}; "
          f"not inspected {result['not_inspected'] or 'none'}; degraded bit {'on' if bit else 'off'}, "
          f"banner {banner or 'none'}; reconciled {result['reconciled']}; {load()}", flush=True)  # fmt: skip
    return its


def main(words: list[str] | None = None) -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gaps-s", type=float, nargs="*", default=list(GAPS_S))
    options.add_argument("--repeat", type=int, default=10, help="how often each pause")
    options.add_argument("--takt-s", type=float, default=0.1)
    options.add_argument("--parts", type=int, default=600, help="of each run with and without the right")
    options.add_argument("--rounds", type=int, default=2, help="with and without, so often")
    options.add_argument("--busy", type=int, default=2)
    asked = options.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="jidoka-bench-") as root:
        its = rig.teach(Path(root))
        if asked.gaps_s:
            pauses(its, asked.gaps_s, asked.repeat, asked.takt_s)
        for _ in range(asked.rounds):
            for fifo in (True, False):
                its = rights(its, fifo=fifo, parts=asked.parts, takt_s=asked.takt_s, busy=asked.busy)


if __name__ == "__main__":
    main()

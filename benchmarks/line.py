"""Trigger → verdict consumed on the machine's clock, over many parts, with live pages in a browser and API clients.

Beside it, in the same run, a bare onnxruntime session on the same model: what the engine costs above the bare call.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import rig
from benchmarks.load import beside
from benchmarks.rig import Line, Rig, Toml, cpu_s, load, memory_mb, percentiles

SHARES = (0.1, 0.5, 1.0)  # of the run, when memory is looked at
ENGINE = "engine: request received → answer at the gate, less the wait for the frame"
RUN = "  of that session.run"
Laps = dict[str, list[float]]  # ms


@contextlib.contextmanager
def browser(url: str, pages: int) -> Iterator[None]:
    """A real browser that draws so many live pages for the whole run."""
    if not pages:
        yield
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(pages):
            chromium.new_page().goto(url)
        yield
        chromium.close()


class Watch(threading.Thread):
    """Memory, processor time and load of each process at SHARES of the run."""

    def __init__(self, its: Rig, run_s: float) -> None:
        super().__init__(daemon=True)
        self.its, self.run_s = its, run_s
        self.seen: list[dict[str, tuple[int, float, float]]] = []  # pid, MB, processor s
        self.at: list[float] = []
        self.loads: list[str] = []

    def run(self) -> None:
        began = time.monotonic()
        for share in SHARES:
            time.sleep(max(0.0, began + share * self.run_s - time.monotonic()))
            self.seen.append({name: (pid, memory_mb(pid), cpu_s(pid)) for name, pid in self.its.pids().items()})
            self.at.append(time.monotonic())
            self.loads.append(load())

    def table(self) -> Iterator[str]:
        """One line per process."""
        for name in self.seen[0]:
            (first, _, before), (last, _, after) = self.seen[0][name], self.seen[-1].get(name, (0, 0.0, 0.0))
            memory = " / ".join(f"{one[name][1]:.1f}" if name in one else "gone" for one in self.seen)
            cpu = f"{(after - before) / (self.at[-1] - self.at[0]):.0%}" if first == last else "restarted"
            when = " / ".join(f"{share:.0%}" for share in SHARES)
            yield f"  {name:10} RSS at {when}: {memory} MB; of one core: {cpu}"


def bare(its: Rig, runs: int, takt_s: float) -> list[float]:
    """The reference, in a process with the engine's priority and core."""
    command = [
        sys.executable, "-m", "benchmarks.bare", str(its.package), *map(str, its.pictures(50)),
        "--runs", str(runs), "--takt-s", str(takt_s),
    ]  # fmt: skip
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return list(json.loads(said)["laps_ms"])


def engine_ms(row: Toml) -> dict[str, float]:
    """One part's laps in ms as differences: what the engine needed, without waiting for the camera."""
    laps = row["laps_us"]
    waiting = max(picture["arrived_us"] for picture in row["pictures"]) - laps["exposed"]
    return {
        ENGINE: (laps["answered"] - laps["received"] - waiting) / 1e3,
        "  of that without the camera's trigger command": (laps["answered"] - laps["exposed"] - waiting) / 1e3,
        RUN: (laps["inferred"] - laps["preprocessed"]) / 1e3,
    }


def run(asked: argparse.Namespace, root: Path) -> None:
    """Measure and print."""
    its = rig.teach(root)

    def edit(station: Toml, _recipe: Toml) -> None:
        if asked.recorder_load:
            station["pictures"] = {"keep_ok_share": 1.0}

    references: Laps = {"before, hot": bare(its, asked.reference_runs, 0.0)}
    references["before, one a takt"] = bare(its, asked.reference_runs, asked.takt_s)
    line = Line(asked.parts, asked.takt_s, edit=edit)
    disk = root / "disk" if asked.recorder_load else None
    with rig.running(its, line):
        with browser(its.url, asked.pages), beside(url=its.url, clients=asked.api, folder=disk) as others:
            watch = Watch(its, asked.parts * asked.takt_s - (time.monotonic() - its.began - its.ready_s))
            watch.start()
            its.finished(within_s=2 * asked.parts * asked.takt_s + 120)
            watch.join()
            recorder = its.metrics()
            references["after, one a takt, pages and clients open"] = bare(its, asked.reference_runs, asked.takt_s)
        assert its.line is not None
        machine = its.line.result()
    report(asked, its, machine, watch, references, others.said)
    print("/metrics at the end: " + "; ".join(f"{name.removeprefix('jidoka_')} {value:g}" for name, value in recorder))


def report(
    asked: argparse.Namespace, its: Rig, machine: Toml, watch: Watch, references: Laps, said: dict[str, Toml]
) -> None:
    """The table."""
    account, ledger, result = its.accounts()
    print(f"{len(account)} parts, takt {asked.takt_s} s ± {rig.JITTER:.0%}, {asked.pages} live pages in chromium, "
          f"{asked.api} API clients; {'; '.join(watch.loads)}")  # fmt: skip
    times = sorted(rig.seconds(row["triggered_utc"]) for row in account)
    print(f"parts/s as triggered: {(len(times) - 1) / (times[-1] - times[0]):.2f}")
    print(f"machine: {machine['policy']}, its own lateness, ms: {machine['lateness_ms']}")
    latency = [row["consumed_ms"] for row in account if row["consumed_ms"] is not None]
    p50, p999 = np.percentile(latency, [50, 99.9])
    print(f"trigger → verdict consumed, machine's clock, ms p50/p99/p99.9/max: {percentiles(latency)}; "
          f"p99.9 / p50 = {p999 / p50:.2f}")  # fmt: skip
    print(f"deadline misses: {machine['timeouts']}; not inspected: {result['not_inspected'] or 'none'}; "
          f"reconciled: {result['reconciled']}")  # fmt: skip
    inspected = [row for row in ledger if "inferred" in row["laps_us"]]
    laps = {
        name: float(np.median([row["laps_us"][name] for row in inspected])) / 1e3 for name in inspected[0]["laps_us"]
    }
    in_order = sorted(laps.items(), key=lambda one: one[1])
    print(f"laps, ms after the poll, p50: {', '.join(f'{name} {at:.1f}' for name, at in in_order)}")
    overhead([engine_ms(row) for row in inspected], references)
    print(f"cold start of the station to READY: {its.ready_s:.2f} s")
    for text in watch.table():
        print(text)
    for name, its_words in said.items():
        failed = its_words.get("failed", [])
        print(f"{name} load: {len(its_words['laps_ms'])} rounds, ms p50/p99/p99.9/max "
              f"{percentiles(its_words['laps_ms'])}; failed: {len(failed)} {failed[:3] or ''}")  # fmt: skip
    for problem in result["problems"][:20]:
        print(f"PROBLEM: {problem}")


def overhead(found: list[dict[str, float]], references: Laps) -> None:
    """The engine against the bare call."""
    columns = {name: [row[name] for row in found] for name in found[0]}
    for name, values in columns.items():
        print(f"{name}, ms p50/p99/p99.9/max: {percentiles(values)}")
    for name, values in {**references, "the engine's own session.run in this run": columns[RUN]}.items():
        ratio = [np.percentile(columns[ENGINE], q) / np.percentile(values, q) for q in (50, 99.9)]
        print(f"  bare onnxruntime, {name}: {percentiles(values)} ms; engine / bare p50 × {ratio[0]:.2f}, "
              f"p99.9 × {ratio[1]:.2f}")  # fmt: skip


def options(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    its = argparse.ArgumentParser(description=__doc__)
    its.add_argument("--parts", type=int, default=5000)
    its.add_argument("--takt-s", type=float, default=0.05)
    its.add_argument("--pages", type=int, default=1)
    its.add_argument("--api", type=int, default=0, help="clients that ask /api/parts and /api/state 4 times a second")
    its.add_argument("--recorder-load", action="store_true", help="keep all pictures while another process fsyncs")
    its.add_argument("--reference-runs", type=int, default=500)
    its.add_argument("--state", type=Path, help="keep the run's folder here")
    return its.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    asked: Any = options(words)
    with contextlib.ExitStack() as stack:
        run(asked, asked.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jidoka-bench-"))))


if __name__ == "__main__":
    main()

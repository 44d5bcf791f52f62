"""Trigger → verdict consumed on the machine's clock, over many parts, with one live page open in a real browser."""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge import demo
from edge.recorder.verify import part_rows, read_account, reconcile
from edge.settings import StateFolder

CLI = [sys.executable, "-m", "cli"]


@contextlib.contextmanager
def browser(url: str, pages: int) -> Iterator[None]:
    """A real browser that draws so many live pages for the whole run."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(pages):
            chromium.new_page().goto(url)
        yield
        chromium.close()


def percentiles(values: list[float]) -> str:
    """p50 / p99 / p99.9 / max."""
    return " / ".join(f"{v:.2f}" for v in [*np.percentile(values, [50, 99, 99.9]), max(values)])


def run(parts: int, takt_s: float, pages: int, state: Path | None) -> dict[str, Any]:
    """The demo's station at another takt, measured; `state` is kept, without one a temporary folder is used."""
    with contextlib.ExitStack() as stack:
        root = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jidoka-bench-")))
        folder = StateFolder(root / "state")
        demo.fresh(folder)
        taught, plan = demo.choose_cells(folder.root, 1)
        package = folder.packages / "solar-cell.jdk"
        began = time.monotonic()
        demo.call([*CLI, "teach", "--data", str(taught), "--out", str(package), "--state", str(folder.root)])
        teach_s = time.monotonic() - began
        account, endpoints = folder.root / "machine.jsonl", folder.run / "machine.json"
        machine = [
            *CLI, "plc", "simulate", "modbus://127.0.0.1:0", "--plan", str(plan), "--stage", str(folder.root / "stage"),
            "--account", str(account), "--endpoints", str(endpoints), "--takt-s", str(takt_s), "--parts", str(parts),
            "--deadline-ms", "80", "--wait-ready-s", "60", "--json",
        ]  # fmt: skip
        with demo.Running(machine, folder.logs / "machine.out") as line:
            uri = demo.wait_for(endpoints, line)["uri"]
            station = demo.write_station(folder, uri, 0, takt_s)
            environment = {**os.environ, "PYLON_CAMEMU": "1"}
            started = time.monotonic()
            with demo.Running([*CLI, "run", str(station), "--state", str(folder.root)], None, environment):
                while not folder.endpoints.exists():
                    time.sleep(0.01)
                url = json.loads(folder.endpoints.read_text())["web"]["url"]
                while not (account.exists() or (folder.root / "machine.jsonl.belt").exists()):
                    time.sleep(0.01)
                cold_start_s = time.monotonic() - started
                with browser(url, pages):
                    line.popen.wait()
                time.sleep(0.5)
        rows, summary, result = read_account(account), line.result(), reconcile(folder.ledger, account)
        ledger = part_rows(folder.ledger)
    latency = [row["consumed_ms"] for row in rows if row["consumed_ms"] is not None]
    laps = [row["laps_us"] for row in ledger if "inferred" in row["laps_us"]]
    inference = [(lap["inferred"] - lap["preprocessed"]) / 1e3 for lap in laps]  # one tool: onnxruntime's run alone
    return {
        "parts": len(rows),
        "takt_s": takt_s,
        "reconciled": result["reconciled"],
        "problems": result["problems"],
        "machine": summary,
        "teach_s": teach_s,
        "cold_start_to_first_part_s": cold_start_s,
        "latency_ms": percentiles(latency),
        "onnxruntime_ms": percentiles(inference),
        "onnxruntime_share_p50": float(np.median(inference) / np.median(latency)),
        "deadline_misses": summary["timeouts"],
        "not_inspected": result["not_inspected"],
    }


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parts", type=int, default=5000)
    options.add_argument("--takt-s", type=float, default=0.1)
    options.add_argument("--pages", type=int, default=1)
    options.add_argument("--state", type=Path, help="keep the run's folder here")
    asked = options.parse_args()
    found = run(asked.parts, asked.takt_s, asked.pages, asked.state)
    machine = found["machine"]
    print(f"{asked.pages} live pages in chromium, load average {os.getloadavg()[0]:.1f}, two cores")
    print(f"{found['parts']} parts, takt {found['takt_s']} s")
    print(f"machine: {machine['policy']}, its own lateness, ms: {machine['lateness_ms']}")
    print(f"trigger → verdict consumed, machine's clock, ms p50/p99/p99.9/max: {found['latency_ms']}")
    print(f"of that pure onnxruntime, ms p50/p99/p99.9/max: {found['onnxruntime_ms']}")
    print(f"onnxruntime's share of the median latency: {found['onnxruntime_share_p50']:.0%}")
    print(f"deadline misses: {found['deadline_misses']}; not inspected: {found['not_inspected'] or 'none'}")
    print(f"cold start of the station to the first part: {found['cold_start_to_first_part_s']:.1f} s")
    print(f"teach on {demo.TAUGHT} pictures: {found['teach_s']:.1f} s; reconciled: {found['reconciled']}")
    for problem in found["problems"][:20]:
        print(f"PROBLEM: {problem}")


if __name__ == "__main__":
    main()

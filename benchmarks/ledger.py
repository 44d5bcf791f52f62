"""The ledger: rows a second, time of a commit, and whether questions take longer when it holds a hundred times more."""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge.recorder.ledger import Ledger

GROUP = 50  # rows of one commit: 0.5 s of 20 parts/s with confirmations, an unkind case
REASON = {"code": "score_below_limit", "text": "score 16.261 is below the limit 20.952"}


def body(number: int) -> dict[str, Any]:
    """A row as large as the demo's."""
    laps = {"asked": 600, "received": 800, "exposed": 2400, "arrived": 5400, "inferred": 28_900, "answered": 29_500}
    return {
        "station": "bench", "utc": "2026-01-01T00:00:00.000Z", "mode": "AUTO", "disposition": "pass", "score": 16.261,
        "verdict": "NG" if number % 50 == 0 else "OK", "judged": "OK", "reasons": [REASON], "laps_us": laps,
        "tools": [{"tool": "surface", "camera": "top", "package": "f" * 64, "score": 16.261, "limit": 20.952}],
        "pictures": [{"camera": "top", "sha256": f"{number:064x}", "width": 300, "height": 300, "channels": 1}],
        "recipe": {"name": "solar-cell", "number": 1, "checksum": 4711},
        "plc": {"epoch": 7, "number": number, "seq": number % 65535, "part_id": number, "parts": number},
    }  # fmt: skip


def fill(ledger: Ledger, first: int, last: int) -> list[float]:
    """Rows first … last in groups; milliseconds of each commit."""
    laps = []
    for start in range(first, last + 1, GROUP):
        rows = [("part", n, 1, n, body(n)) for n in range(start, min(start + GROUP, last + 1))]
        began = time.perf_counter()
        ledger.append(rows)
        laps.append((time.perf_counter() - began) * 1e3)
    return laps


def asked(ledger: Ledger, rows: int) -> dict[str, float]:
    """Median ms of the questions that pages and gates ask."""
    questions = {
        "a part": ("SELECT body FROM entry WHERE part = ?", (rows // 2,)),
        "last 50 NG": (
            "SELECT body FROM entry WHERE kind = 'part' AND verdict = 'NG' ORDER BY entry DESC LIMIT 50",
            (),
        ),
    }
    found = {}
    for name, (statement, values) in questions.items():
        laps = []
        for _ in range(200):
            began = time.perf_counter()
            ledger.db.execute(statement, values).fetchall()
            laps.append((time.perf_counter() - began) * 1e3)
        found[name] = statistics.median(laps)
    laps = []
    for _ in range(20):
        began = time.perf_counter()
        ledger.standing()
        laps.append((time.perf_counter() - began) * 1e3)
    found["where it stands"] = statistics.median(laps)
    return found


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--small", type=int, default=10_000)
    options.add_argument("--large", type=int, default=1_000_000)
    asked_for = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="jidoka-ledger-") as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        fill(ledger, 1, asked_for.small)
        small = asked(ledger, asked_for.small)
        began = time.monotonic()
        laps = fill(ledger, asked_for.small + 1, asked_for.large)
        rate = (asked_for.large - asked_for.small) / (time.monotonic() - began)
        large = asked(ledger, asked_for.large)
        ledger.close()
        size_gb = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e9
    p50, p99, p999 = np.percentile(laps, [50, 99, 99.9])
    print(f"{rate:.0f} rows/s in commits of {GROUP}; commit ms p50/p99/p99.9/max "
          f"{p50:.2f} / {p99:.2f} / {p999:.2f} / {max(laps):.2f}; {size_gb:.2f} GB")  # fmt: skip
    for name in small:
        ratio = large[name] / small[name]
        print(
            f"{name}: {small[name]:.3f} ms at {asked_for.small} rows, "
            f"{large[name]:.3f} ms at {asked_for.large}: × {ratio:.2f}"
        )


if __name__ == "__main__":
    main()

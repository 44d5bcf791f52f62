"""The ledger: time of a commit, and whether the station's questions take longer when it holds far more rows."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.rig import load, percentiles
from edge.recorder.archive import Archive
from edge.recorder.disk import Disk
from edge.recorder.ledger import Ledger, canonical, chain
from edge.recorder.verify import verify
from edge.settings import PictureSettings, StateFolder
from edge.web.reader import Reader
from vocabulary import Verdict

GROUP = 50  # rows of one commit: 0.5 s of 20 parts/s with confirmations, an unkind case
BULK = 100_000  # rows of one commit while the file is filled
COMMITS = 1000  # measured as the recorder makes them
AIM = 1.5
REASON = {"code": "score_below_limit", "text": "score 16.261 is below the limit 20.952"}
PLC_EPOCH, EPOCH = 7, 1
Question = Callable[[], object]
Numbered = tuple[str, int | None, int, int, dict[str, Any]]


def part(number: int) -> dict[str, Any]:
    """A part's row as large as the demo's: of 1,000 are 40 NG, 10 RECHECK, 1 NOT_INSPECTED, the others OK."""
    laps = {"asked": 600, "received": 800, "exposed": 2400, "arrived": 5400, "inferred": 28_900, "answered": 29_500}
    verdict = "NOT_INSPECTED" if number % 1000 == 7 else "NG" if number % 25 == 0 else "OK"
    return {
        "station": "bench", "utc": "2026-01-01T00:00:00.000Z", "mode": "AUTO", "disposition": "pass", "score": 16.261,
        "verdict": "RECHECK" if number % 100 == 3 else verdict, "judged": "OK", "reasons": [REASON], "laps_us": laps,
        "tools": [{"tool": "surface", "camera": "top", "package": "f" * 64, "score": 16.261, "limit": 20.952}],
        "pictures": [{"camera": "top", "sha256": f"{number:064x}", "width": 300, "height": 300, "channels": 1}],
        "recipe": {"name": "solar-cell", "number": 1, "sha256": "4711" * 16},
        "plc": {"epoch": PLC_EPOCH, "number": number, "seq": number % 65535 + 1, "part_id": number, "parts": number},
    }  # fmt: skip


def entry(number: int) -> Numbered:
    """Row `number`: a part, then its confirmation, and so on."""
    if number % 2:
        its = number // 2 + 1
        return "part", its, EPOCH, number, part(its)
    plc = {"epoch": PLC_EPOCH, "seq": number // 2 % 65535 + 1, "part_id": number // 2, "encoder": number}
    return "confirmation", None, EPOCH, number, {"utc": "2026-01-01T00:00:01.000Z", "what": "passed", "plc": plc}


def fill(path: Path, last: int) -> float:
    """Rows up to `last` by the same hashes as Ledger.append makes, in large commits; rows a second."""
    ledger, began = Ledger(path), time.monotonic()
    first = ledger.entries + 1
    db, head = ledger.db, ledger.head
    db.execute("PRAGMA synchronous=OFF")

    def chained(numbers: Iterable[int]) -> Iterable[tuple[Any, ...]]:
        nonlocal head
        for number in numbers:
            kind, its, epoch, sequence, body = entry(number)
            full = {**body, "entry": number, "kind": kind, "part": its, "epoch": epoch, "sequence": sequence}
            text = canonical(full)
            previous, head = head, chain(head, text)
            yield number, kind, its, epoch, sequence, text, previous, head

    for start in range(first, last + 1, BULK):
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO entry (entry, kind, part, epoch, sequence, body, previous, hash) VALUES (?,?,?,?,?,?,?,?)",
            chained(range(start, min(start + BULK, last + 1))),
        )
        kept = range(start, min(start + BULK, last + 1), 32)  # a part in 16 has its picture kept
        db.executemany(
            "INSERT INTO picture VALUES (?, ?, ?, ?)",
            ((f"{n:064x}", "NG" if n % 64 else "OK_SAMPLE", 60_000, f"2026-01-01T00:00:00.{n:09}Z") for n in kept),
        )
        db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    return (last + 1 - first) / max(1e-9, time.monotonic() - began)


def commit(ledger: Ledger) -> float:
    """Milliseconds of a commit as the recorder makes it: synchronous=FULL, GROUP rows."""
    rows = [entry(ledger.entries + 1 + k) for k in range(GROUP)]
    began = time.perf_counter()
    ledger.append(rows)
    return (time.perf_counter() - began) * 1e3


def questions(folder: StateFolder, ledger: Ledger, rows: int) -> dict[str, tuple[Question, int]]:
    """What the station asks in its life, and how often it is measured."""
    reader, disk = Reader(folder), Disk(folder.root, 0, 0)
    settings = PictureSettings()
    by_part = "SELECT body FROM entry WHERE part = ?"
    oldest = "SELECT sha256 FROM picture WHERE retention = 'OK_SAMPLE' ORDER BY stored_utc LIMIT 1"  # as Archive does
    unknown = {"plc": {"epoch": PLC_EPOCH, "number": rows}}
    return {
        "page: last 50 parts": (lambda: reader.parts(50, []), 100),
        "page: last 50 NG": (lambda: reader.parts(50, [Verdict.NG]), 100),
        "page: last 50 NG, RECHECK and NOT_INSPECTED": (
            lambda: reader.parts(50, [Verdict.NG, Verdict.RECHECK, Verdict.NOT_INSPECTED]), 100,
        ),
        "a part by its number": (lambda: ledger.db.execute(by_part, (rows // 4,)).fetchall(), 500),
        "recorder: has this trigger a row already": (lambda: ledger._judged(unknown), 500),
        "gate's start: where it stands": (ledger.standing, 20),
        "recorder's start: open": (lambda: Ledger(folder.ledger).close(), 10),
        "recorder's start: counts": (ledger.counts, 3),
        "web's start: counts": (reader.counts, 3),
        "recorder's start: bytes of pictures": (
            lambda: Archive(folder.pictures, folder.live, ledger.db, settings, disk), 5,
        ),
        "recorder, over budget, for each picture: which goes": (lambda: ledger.db.execute(oldest).fetchall(), 5),
    }  # fmt: skip


def timed(question: Question) -> float:
    """Milliseconds of one answer."""
    began = time.perf_counter()
    question()
    return (time.perf_counter() - began) * 1e3


def ask(folders: list[StateFolder], rows: list[int]) -> dict[str, list[float]]:
    """Median ms of each question, the ledgers in turn, so that both meet the same load."""
    ledgers = [Ledger(folder.ledger) for folder in folders]
    asked = [questions(*its) for its in zip(folders, ledgers, rows, strict=True)]
    found = {}
    for name, (_, times) in asked[0].items():
        answers = [[timed(its[name][0]) for its in asked] for _ in range(times)]
        found[name] = [statistics.median(column) for column in zip(*answers, strict=True)]
    rounds = [[commit(ledger) for ledger in ledgers] for _ in range(COMMITS)]
    commits = [list(column) for column in zip(*rounds, strict=True)]
    for ledger in ledgers:
        ledger.close()
    for size, laps in zip(rows, commits, strict=True):
        print(f"commit of {GROUP} rows at {size} rows, ms p50/p99/p99.9/max {percentiles(laps)}; "
              f"{GROUP * len(laps) / sum(laps) * 1e3:.0f} rows/s")  # fmt: skip
    return found | {f"commit of {GROUP} rows": [statistics.median(one) for one in commits]}


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--small", type=int, default=10_000)
    options.add_argument("--rows", type=int, default=1_000_000, help="of the large ledger")
    options.add_argument(
        "--verify", type=int, default=1_000_000, help="walk the chain of a ledger of at most so many rows"
    )
    options.add_argument("--folder", type=Path, help="where there is room: 0.75 GB for a million rows")
    asked = options.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="jidoka-ledger-", dir=asked.folder) as root:
        sizes = [asked.small, asked.rows]
        folders = [StateFolder(Path(root) / str(rows)) for rows in sizes]
        for folder, rows in zip(folders, sizes, strict=True):
            folder.make()
            rate = fill(folder.ledger, rows)
            print(f"{rows} rows, {folder.ledger.stat().st_size / 1e9:.2f} GB, filled at {rate:.0f} rows/s; {load()}")
            if rows <= asked.verify:
                began = time.monotonic()
                verify(folder.ledger)
                print(f"verify: {rows / (time.monotonic() - began):.0f} rows/s")
        found = ask(folders, sizes)
    print(f"median ms at {sizes[0]} and at {sizes[1]} rows; {load()}")
    for name, (small, large) in found.items():
        ratio = large / small
        print(f"{name}: {small:.3f}, {large:.3f}: × {ratio:.2f}{'' if ratio <= AIM else f'  above {AIM}'}")


if __name__ == "__main__":
    main()

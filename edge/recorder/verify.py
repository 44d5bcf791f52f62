"""Reads a ledger without writing: verifies the chain, exports it, and holds it against the machine's own account."""

import csv
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.recorder.counted import Counted
from edge.recorder.ledger import GENESIS, chain
from edge.recorder.sense import Sense
from vocabulary import LedgerError, Verdict

Row = dict[str, Any]
ACCOUNT = ("part", "plc_epoch", "number", "verdict", "routed")  # what a line of the machine's account must say


def rows(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """(entry, body, previous, hash) in order. Raises LedgerError."""
    yield from query(path, "SELECT entry, body, previous, hash FROM entry ORDER BY entry")


def query(path: Path, statement: str) -> Iterator[Any]:
    """The rows of one statement, read only. Raises LedgerError."""
    if not path.is_file():
        raise LedgerError(f"{path}: no such ledger", "name a station's ledger.sqlite")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield from db.execute(statement)
    except sqlite3.Error as err:
        raise LedgerError(f"{path}: {err}", "is this a Jidoka ledger?") from err
    finally:
        db.close()


def verify(path: Path, noted: str | None = None) -> dict[str, Any]:
    """Walk the whole chain: {entries, parts, head}, and what `Sense` found. Raises LedgerError at a row that is not it.

    `noted` is a head noted elsewhere: it must be in the chain, else rows were cut off its end or all was written anew.
    """
    head, entries, parts, found = GENESIS, 0, 0, noted is None
    sense = Sense()
    columns = iter(query(path, "SELECT entry, kind, part, epoch, sequence FROM entry ORDER BY entry"))
    for entry, body, previous, digest in rows(path):
        if entry != entries + 1:
            raise LedgerError(f"{path}: row {entries + 1} is missing", "restore the ledger; rows are never deleted")
        if previous != head or chain(head, body) != digest:
            raise LedgerError(f"{path}: row {entry} was altered or does not follow row {entries}", "restore the ledger")
        content = json.loads(body)
        if next(columns) != tuple(content.get(name) for name in ("entry", "kind", "part", "epoch", "sequence")):
            raise LedgerError(
                f"{path}: row {entry}: a column differs from the text that was hashed", "restore the ledger"
            )
        sense.saw(content)
        entries, head, parts = entry, digest, parts + (content["kind"] == "part")
        found = found or digest == noted
    if not found:
        raise LedgerError(
            f"{path}: the noted head {noted} is not in the chain", "rows were cut off: restore the ledger"
        )
    return {"entries": entries, "parts": parts, "head": head, **sense.result()}


def part_rows(path: Path) -> list[Row]:
    """The body of each part's row."""
    return [body for _, text, _, _ in rows(path) if (body := json.loads(text))["kind"] == "part"]


def export(path: Path, out: Path) -> dict[str, Any]:
    """Write the ledger as JSON lines (.jsonl: every row with its hashes) or CSV (.csv: one line per part)."""
    count = 0
    try:
        file = out.open("w", encoding="utf-8", newline="")
    except OSError as err:
        raise LedgerError(f"--out {out}: {err.strerror}", "name a file that can be written") from err
    with file:
        if out.suffix == ".csv":
            table = csv.writer(file)
            table.writerow(
                ["entry", "part", "utc", "verdict", "disposition", "score", "reasons", "picture", "plc_part_id"]
            )
            for row in part_rows(path):
                count += 1
                table.writerow(
                    [
                        row["entry"], row["part"], row["utc"], row["verdict"], row["disposition"], row["score"],
                        "; ".join(reason["text"] for reason in row["reasons"]),
                        row["pictures"][0]["sha256"] if row["pictures"] else "", row["plc"]["part_id"],
                    ]
                )  # fmt: skip
        else:
            for entry, body, previous, digest in rows(path):
                count += 1
                file.write(json.dumps({"entry": entry, "previous": previous, "hash": digest, "body": body}) + "\n")
    return {"rows": count, "file": str(out)}


def read_account(path: Path) -> list[Row]:
    """The machine's account, one JSON line per part. Raises LedgerError."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        if missing := [name for name in ACCOUNT for row in rows if name not in row]:
            raise ValueError(f"a line has no {missing[0]!r}")
        return rows
    except (OSError, ValueError, TypeError) as err:
        raise LedgerError(f"{path}: {err}", "name the account file that the machine wrote") from err


def reconcile(ledger: Path, account: Path) -> dict[str, Any]:
    """Hold the ledger against the machine's account, part by part; `problems` is empty when they agree.

    A part that the machine let pass needs a row with OK, of the same trigger, judged from the picture that was
    presented. A result that the machine did not take in time was routed as reject: explained, not a problem.
    """
    verify(ledger)
    machine = read_account(account)
    by_trigger = {(row["plc"]["epoch"], row["plc"]["number"]): row for row in part_rows(ledger)}
    never_read = never_read_by_parts(by_trigger, machine)
    problems: list[str] = []
    explained: Counter[str] = Counter()
    pictures = 0
    if len({(part["plc_epoch"], part["number"]) for part in machine}) < len(machine):
        problems.append("the machine's account names one trigger twice")
    for part in machine:
        key = part["plc_epoch"], part["number"]
        row = by_trigger.pop(key if key in by_trigger else never_read.get(part["part"], key), None)
        name = f"part {part['part']} (trigger {part['number']})"
        if row is None:
            problems.append(f"{name}: no ledger row")
            continue
        problems += [f"{name}: {problem}" for problem in disagreements(part, row)]
        pictures += bool(row["pictures"])
        if row["verdict"] == Verdict.NOT_INSPECTED:
            explained[row["reasons"][0]["code"] if row["reasons"] else "without a reason"] += 1
        elif part["verdict"] is None:
            explained["result not taken in time by the machine"] += 1
    problems += [f"ledger part {row['part']}: the machine knows no such trigger" for row in by_trigger.values()]
    return {
        "reconciled": not problems,
        "problems": problems,
        "triggers": len(machine),
        "verdicts": len(part_rows(ledger)),
        "ledger_rows": len(part_rows(ledger)),
        "rows_with_picture": pictures,
        "not_inspected": dict(explained),
    }


def reconcile_counters(ledger: Path) -> dict[str, Any]:
    """Hold the rows against the PLC's own counters, as the gate noted them; `problems` is empty when they agree."""
    verify(ledger)
    counted = Counted()
    for _, body, _, _ in rows(ledger):
        counted.saw(json.loads(body))
    result = counted.result()
    return {"reconciled": not result["problems"] and not result["told"], **result}


def never_read_by_parts(by_trigger: dict[tuple[int, int], Row], machine: list[Row]) -> dict[int, tuple[int, int]]:
    """Retentive PARTS counter → key of a row whose trigger nobody could read before the PLC was restarted.

    Such a row is counted and rejected, but its epoch is a guess: an epoch may have come and gone unseen.
    """
    known = {(part["plc_epoch"], part["number"]) for part in machine}
    return {
        row["plc"]["parts"]: key
        for key, row in by_trigger.items()
        if row["plc"]["part_id"] is None and key not in known
    }


def disagreements(part: Row, row: Row) -> list[str]:
    """What the machine's account of one part and its ledger row say differently."""
    found = []
    if row["plc"]["part_id"] is not None and row["plc"]["part_id"] != part["part"]:
        found.append(f"ledger has part id {row['plc']['part_id']}")
    if part["verdict"] is not None and part["verdict"] != row["verdict"]:
        found.append(f"machine took {part['verdict']}, ledger has {row['verdict']}")
    if part["routed"] == "passed" and row["verdict"] != Verdict.OK:
        found.append(f"passed although the ledger has {row['verdict']}")
    if part["routed"] == "passed" and row["verdict"] == Verdict.OK != part["verdict"]:
        found.append(f"passed although the machine took {part['verdict'] or 'no verdict'}")
    if part.get("picture_sha256") and row["verdict"] != Verdict.NOT_INSPECTED and not row["pictures"]:
        found.append(f"ledger has {row['verdict']} without a picture")
    if part["routed"] == "hold" and row["disposition"] != "HOLD":
        found.append(f"released by a key although the ledger has {row['verdict']}, {row['disposition']}")
    if part["routed"] == "recheck" and row["verdict"] != Verdict.RECHECK:
        found.append(f"went to the recheck lane although the ledger has {row['verdict']}")
    if part.get("ghost") and row["pictures"]:
        found.append("judged a picture, but no part was there")
    if part.get("picture_sha256"):
        found += [
            f"judged picture {picture['sha256'][:12]}, but {part['picture_sha256'][:12]} was to be presented"
            for picture in row["pictures"]
            if picture["sha256"] != part["picture_sha256"]
        ]
    return found

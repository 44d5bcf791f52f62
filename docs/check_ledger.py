#!/usr/bin/env python3
"""Checks an export of a Jidoka ledger with the standard library alone: python3 check_ledger.py ledger.jsonl [HEAD]

The file has one JSON object a line: entry, previous, hash, body (a string). For every line must hold
    hash == SHA-256(previous + body), in hex, both as UTF-8 text
    previous == the hash of the line before (64 zeros on the first line)
    entry == 1, 2, 3, … and the same number inside body
and no trigger (PLC epoch, number) may have two rows of kind "part". Then the rows are held against one another; what
does not fit is printed, and is exit code 1 too:
    a "confirmation" that says "passed" needs a part row with the same PLC epoch and part id before it whose verdict
    is OK; one that says "hold", one whose disposition is HOLD; "recheck lane", one whose verdict is RECHECK
    a part that was judged NG ("kept") is not OK later under the same id, for the next 16,384 parts
    each writer (epoch) numbers its rows 1, 2, 3, …; each PLC epoch's triggers have a row each, but for the last 256
HEAD, a hash noted earlier elsewhere, must be one of the hashes: then nothing up to it was changed or cut off since.
Exit code 0, or 1 with what does not fit.
"""

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

AGAIN = 16_384  # parts after which an id may be another part's
IN_FLIGHT = 256  # of the newest triggers the rows may still come


def main() -> int:
    """Walk the file; print what it holds, or the first thing that is wrong."""
    if len(sys.argv) not in (2, 3):
        print(__doc__)
        return 2
    previous, head_seen, triggers, verdicts = "0" * 64, False, set(), Counter()
    count, belt, wrong, bad = 0, {}, [], {}
    sequences, numbers, begins = {}, {}, {}
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        for count, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                body = json.loads(row["body"])
                digest = hashlib.sha256((row["previous"] + row["body"]).encode()).hexdigest()
            except (ValueError, KeyError, TypeError) as err:
                print(f"line {count} is no row of a ledger: {err!r}")
                return 1
            plc, kind = body.get("plc", {}), body.get("kind")
            trigger, part = (plc.get("epoch"), plc.get("number")), (plc.get("epoch"), plc.get("part_id"))
            for fits, what in (
                (row["previous"] == previous, "does not follow the row before it"),
                (row["hash"] == digest, "was altered: its hash is another"),
                (row["entry"] == body.get("entry") == count, "has the wrong number"),
                (kind != "part" or trigger not in triggers, f"gives trigger {trigger} a second verdict"),
            ):
                if not fits:
                    print(f"line {count} {what}")
                    return 1
            previous = digest
            head_seen = head_seen or (len(sys.argv) == 3 and sys.argv[2] == digest)
            if body["sequence"] != sequences.get(body["epoch"], 0) + 1:
                wrong.append(f"line {count}: a row of its writer is missing before it")
            sequences[body["epoch"]] = body["sequence"]
            if kind == "event" and body.get("anew"):
                begins[plc["epoch"]], numbers[plc["epoch"]] = plc["number"], set()
            if kind == "part":
                triggers.add(trigger)
                numbers.setdefault(plc["epoch"], set()).add(plc["number"])
                verdicts[body["verdict"]] += 1
                belt[part] = body["verdict"], body.get("disposition")
                if part[1] and body["verdict"] == "OK" and len(triggers) - bad.get(part, -AGAIN) < AGAIN:
                    wrong.append(f"line {count}: part id {part[1]} is OK, it was judged NG before")
                if body.get("kept", body.get("judged")) == "NG":
                    bad[part] = len(triggers)
            if kind == "confirmation":
                verdict, disposition = belt.pop(part, ("no row", "")) if part[1] else ("no row", "")
                said = body["what"]
                right = {"passed": verdict == "OK", "hold": disposition == "HOLD", "recheck lane": verdict == "RECHECK"}
                if not right.get(said, True):
                    wrong.append(f"line {count}: part id {part[1]} was seen as {said}, it had {verdict}")
    for epoch, its in numbers.items():
        first, last = begins.get(epoch, min(its, default=1) - 1) + 1, max(its, default=0) - IN_FLIGHT
        if missing := sum(number not in its for number in range(first, last)):
            wrong.append(f"PLC epoch {epoch}: {missing} triggers have no row")
    for what in wrong[:20]:
        print(what)
    if len(sys.argv) == 3 and not head_seen:
        print(f"the noted head {sys.argv[2]} is not there: rows were cut off or the whole chain was written anew")
        return 1
    print(f"{count} rows, {sum(verdicts.values())} parts {dict(verdicts)}, head {previous}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

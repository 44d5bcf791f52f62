#!/usr/bin/env python3
"""Checks an export of a Jidoka ledger with the standard library alone: python3 check_ledger.py ledger.jsonl [HEAD]

The file has one JSON object a line: entry, previous, hash, body (a string). For every line must hold
    hash == SHA-256(previous + body), in hex, both as UTF-8 text
    previous == the hash of the line before (64 zeros on the first line)
    entry == 1, 2, 3, … and the same number inside body
and no trigger (PLC epoch, number) may have two rows of kind "part". A row of kind "confirmation" that says "passed"
needs a part row with the same PLC epoch and part id before it whose verdict is OK; one that says "hold", one whose
disposition is HOLD: what left otherwise is printed, and is exit code 1 too. HEAD, a hash noted earlier elsewhere, must
be one of the hashes: then nothing up to it was changed or cut off since. Exit code 0, or 1 with the line that does not
fit.
"""

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path


def main() -> int:
    """Walk the file; print what it holds, or the first thing that is wrong."""
    if len(sys.argv) not in (2, 3):
        print(__doc__)
        return 2
    previous, head_seen, triggers, verdicts = "0" * 64, False, set(), Counter()
    count, belt, otherwise = 0, {}, 0
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        for count, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                body = json.loads(row["body"])
                digest = hashlib.sha256((row["previous"] + row["body"]).encode()).hexdigest()
            except (ValueError, KeyError, TypeError) as err:
                print(f"line {count} is no row of a ledger: {err!r}")
                return 1
            trigger = (body.get("plc", {}).get("epoch"), body.get("plc", {}).get("number"))
            for fits, what in (
                (row["previous"] == previous, "does not follow the row before it"),
                (row["hash"] == digest, "was altered: its hash is another"),
                (row["entry"] == body.get("entry") == count, "has the wrong number"),
                (body.get("kind") != "part" or trigger not in triggers, f"gives trigger {trigger} a second verdict"),
            ):
                if not fits:
                    print(f"line {count} {what}")
                    return 1
            previous = digest
            head_seen = head_seen or (len(sys.argv) == 3 and sys.argv[2] == digest)
            if body.get("kind") == "part":
                triggers.add(trigger)
                verdicts[body["verdict"]] += 1
                belt[trigger[0], body["plc"].get("part_id")] = body["verdict"], body.get("disposition")
            if body.get("kind") == "confirmation" and body["plc"].get("part_id"):
                verdict, disposition = belt.pop((trigger[0], body["plc"]["part_id"]), ("no row", ""))
                needed = {"passed": (verdict, "OK"), "hold": (disposition, "HOLD")}.get(body["what"], (0, 0))
                if needed[0] != needed[1]:
                    otherwise += 1
                    print(
                        f"line {count}: part id {body['plc']['part_id']} was seen as {body['what']}, it had {verdict}"
                    )
    if len(sys.argv) == 3 and not head_seen:
        print(f"the noted head {sys.argv[2]} is not there: rows were cut off or the whole chain was written anew")
        return 1
    print(f"{count} rows, {sum(verdicts.values())} parts {dict(verdicts)}, head {previous}")
    return 1 if otherwise else 0


if __name__ == "__main__":
    sys.exit(main())

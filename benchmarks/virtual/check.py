"""Holds the ledger's file against the machine's account; knows SQLite, JSON and SHA-256, and no code of the product."""

import hashlib
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.virtual.engine import NAMES, Engine
from benchmarks.virtual.machine import DEADLINE_MS, LANE, OK, PASSED, RECHECK, Machine

CODES = {name: code for code, name in NAMES.items()}


class Check:
    """Walks the ledger once; `problems` counts what is wrong by kind, with the first example of each."""

    def __init__(self, machine: Machine, engine: Engine) -> None:
        self.machine, self.engine = machine, engine
        self.problems: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.kinds: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()  # of NOT_INSPECTED
        self.rows = bytearray(machine.parts)  # part rows of each trigger
        self.ok_rows = bytearray(machine.parts)
        self.not_taken = 0  # rows with a verdict that the PLC did not take in time, by a fault of the link

    def run(self, ledger: Path) -> None:
        """All of it."""
        db = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
        head, last = "0" * 64, 0
        for entry, previous, digest, body in db.execute("SELECT entry, previous, hash, body FROM entry ORDER BY entry"):
            fits = entry == last + 1 and previous == head
            self.ask(fits and hashlib.sha256((head + body).encode()).hexdigest() == digest, "chain", f"entry {entry}")
            head, last = digest, entry
            content = json.loads(body)
            self.kinds[content["kind"]] += 1
            if content["kind"] == "part":
                self.part(content)
        db.close()
        for part in range(self.machine.count):
            self.triggered(part)
        self.ask(not self.machine.twice, "verdict told twice", str(self.machine.twice))
        self.ask(not self.engine.strange, "asked about another trigger", str(self.engine.strange))
        self.ask(not self.engine.elsewhere, "asked about a part that is elsewhere", str(self.engine.elsewhere))
        self.ask(not self.engine.too_young, "trigger told younger than it is", str(self.engine.too_young))

    def part(self, row: dict[str, Any]) -> None:
        """One row: it belongs to one trigger and says what the engine said of that one, in time."""
        plc, machine, engine = row["plc"], self.machine, self.engine
        verdict = row["verdict"]
        self.verdicts[verdict] += 1
        if verdict == "NOT_INSPECTED":
            self.reasons[row["reasons"][0]["code"] if row["reasons"] else "none"] += 1
            self.ask(bool(row["reasons"]), "NOT_INSPECTED without a reason", str(plc))
        part = (plc["parts"] - machine.first - 1) % (1 << 32)
        if part >= machine.count:
            self.ask(False, "row of a trigger that never was", str(plc))
            return
        self.ask(plc["parts"] == machine.counter(part), "another count than the PLC's", str(plc))
        self.rows[part] = min(255, self.rows[part] + 1)
        if plc["part_id"] is None:
            self.ask(verdict == "NOT_INSPECTED", "verdict for a trigger nobody read", str(plc))
            self.ask(not machine.took[part], "the machine took a verdict that has no row", str(plc))
            return
        its = (machine.epochs[part], machine.numbers[part], machine.ids[part])
        self.ask((plc["epoch"], plc["number"], plc["part_id"]) == its, "row of another trigger", f"{plc} {its}")
        self.ok_rows[part] = verdict == "OK"
        took = machine.took[part]
        self.ask(took in (0, CODES[verdict]), "the machine took another verdict", f"{plc}: {took}, row {verdict}")
        self.not_taken += not took
        if verdict != "NOT_INSPECTED":
            self.ask(engine.said[part] == CODES[verdict], "verdict that the engine did not give", f"{plc} {verdict}")
            late = engine.said_ns[part] - machine.seen_ns[part] > DEADLINE_MS * 1_000_000
            cameras = [picture["camera"] for picture in row["pictures"]]
            every = ["top", "back"] if machine.further else ["top"]
            self.ask(cameras == every, "a camera is missing", f"{plc} {cameras}")
            self.ask(not late, "verdict from an answer after the deadline", f"{plc} {verdict}")

    def triggered(self, part: int) -> None:
        """One trigger: exactly one row, and out by its own verdict."""
        machine, name = self.machine, f"part {part}, id {self.machine.ids[part]}"
        self.ask(self.rows[part] > 0, "unaccounted: trigger without a row", name)
        self.ask(self.rows[part] < 2, "trigger with several rows", name)
        passed = machine.routed[part] == PASSED
        in_time = machine.took[part] == OK and machine.took_us[part] <= DEADLINE_MS * 1000
        self.ask(not passed or (in_time and self.ok_rows[part] == 1), "wrongly cleared", name)
        self.ask(machine.routed[part] != LANE or machine.took[part] == RECHECK, "wrongly in the lane", name)
        self.ask(machine.routed[part] != 0, "part that never left", name)

    def ask(self, holds: bool, problem: str, example: str) -> None:
        """Count what does not hold."""
        if not holds:
            self.problems[problem] += 1
            self.examples.setdefault(problem, example)

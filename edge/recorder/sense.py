"""Does a whole chain also make sense? Rows against one another: what left how, what is missing, what came again."""

from collections import OrderedDict
from typing import Any

from vocabulary import Verdict

Row = dict[str, Any]
Key = tuple[int, int]  # PLC epoch, part id
MOST_SHOWN = 20
IN_FLIGHT = 256  # triggers below the newest one whose row may still come: the station runs, or finds them at its start
WINDOW = 4_096  # triggers in which a starting gate finds holes (edge/recorder/ledger.py); older ones stay
REMEMBERED = 16_384  # parts after which an id may be another part's, as in edge/gate/presented.py
RIGHT = {"passed": Verdict.OK.value, "hold": "HOLD", "recheck lane": Verdict.RECHECK.value}  # how seen → what it needs


class Sense:
    """Takes the rows in order."""

    def __init__(self) -> None:
        self.left_otherwise = self.problems = self.not_seen = self.missing = self._parts = 0
        self.shown: list[str] = []
        self._told: OrderedDict[Key, tuple[str, str]] = OrderedDict()  # verdict and disposition; not seen leaving yet
        self._bad: OrderedDict[Key, int] = OrderedDict()  # judged NG → how many parts there were then
        self._sequences: dict[int, int] = {}  # writer's epoch → its last sequence
        self._next: dict[int, int] = {}  # PLC epoch → the trigger below which all have a row
        self._early: dict[int, set[int]] = {}  # PLC epoch → triggers above that which have one

    def saw(self, row: Row) -> None:
        """One row."""
        self._follow(row)
        if row["kind"] == "part":
            self._account(row["plc"]["epoch"], row["plc"]["number"])
            self._part(row)
        elif row["kind"] == "confirmation":
            self._confirmed(row)
        elif row.get("code") == "plc_session" and row.get("anew"):
            self._next[row["plc"]["epoch"]], self._early[row["plc"]["epoch"]] = row["plc"]["number"] + 1, set()

    def result(self) -> dict[str, Any]:
        """For the command line: `problems` is empty when all makes sense."""
        for epoch, early in self._early.items():
            top = max(early, default=0)
            self.missing += sum(number not in early for number in range(self._next[epoch], top - IN_FLIGHT))
        if self.missing:
            self._problem(f"{self.missing} triggers have no row")
        return {
            "left_otherwise": self.left_otherwise,
            "not_seen_leaving": self.not_seen + len(self._told),
            "triggers_without_row": self.missing,
            "problem_count": self.problems,
            "problems": self.shown,
        }

    def _follow(self, row: Row) -> None:
        """Every writer numbers its rows without a gap: a missing one was taken out, not lost."""
        epoch, sequence = row["epoch"], row["sequence"]
        if sequence != (expected := self._sequences.get(epoch, 0) + 1):
            self._problem(f"row {row['entry']}: its writer's row {expected} is missing before it")
        self._sequences[epoch] = sequence

    def _account(self, epoch: int, number: int) -> None:
        """This trigger of the PLC has its row."""
        early, at = self._early.setdefault(epoch, set()), self._next.setdefault(epoch, number)
        early.add(number)
        if len(early) > WINDOW:
            self.missing += min(early) - at
            at = min(early)
        while at in early:
            early.discard(at)
            at += 1
        self._next[epoch] = at

    def _part(self, row: Row) -> None:
        self._parts += 1
        if not row["plc"].get("part_id"):
            return
        key = row["plc"]["epoch"], row["plc"]["part_id"]
        self._told.pop(key, None)
        self._told[key] = row["verdict"], row.get("disposition", "")
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
            self.not_seen += 1
        if row["verdict"] == Verdict.OK and self._parts - self._bad.get(key, -REMEMBERED) < REMEMBERED:
            self._problem(f"row {row['entry']}: part id {key[1]} is OK, it was judged NG before")
        if row.get("kept", row.get("judged")) == Verdict.NG:
            self._bad[key] = self._parts
            while len(self._bad) > REMEMBERED:
                self._bad.popitem(last=False)

    def _confirmed(self, row: Row) -> None:
        part_id, what = row["plc"].get("part_id") or 0, row["what"]
        verdict, disposition = self._told.pop((row["plc"]["epoch"], part_id), ("no row", ""))
        if what in RIGHT and RIGHT[what] != (disposition if what == "hold" else verdict):
            self.left_otherwise += 1
            self._problem(f"row {row['entry']}: part id {part_id} was seen as {what}, it had {verdict}")

    def _problem(self, text: str) -> None:
        self.problems += 1
        self.shown = [*self.shown, text][:MOST_SHOWN]

"""The PLC's counters, as the gate noted them in the ledger, against the rows between two such notes."""

from typing import Any

Row = dict[str, Any]
SLACK = 4  # as in edge/gate/counters.py: between rejecter and sensor
U32 = 1 << 32
NAMES = ("parts", "rejects", "timeouts", "unconfirmed")
ANEW = (
    "counter_mismatch",
    "confirm_gap",
    "confirm_ring_overrun",
    "sequence_back",
)  # told, alarmed; the sums begin anew after them


class Counted:
    """Takes the rows in order. PARTS outlives the PLC's restarts; confirmations are those of one PLC epoch."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.told: list[str] = []  # mismatches that the station itself found and alarmed
        self.totals = dict.fromkeys(NAMES, 0) | {"rows": 0, "seen_rejected": 0, "seen_unknown": 0}
        self._parts: set[int] = set()  # PARTS of the rows since the mark before the last
        self._last: Row | None = None  # the last mark
        self._open: tuple[Row, int] | None = None  # the interval before it: rows of parts in flight may still come
        self._base: Row | None = None  # from here rejects are added up
        self._rejected = self._unknown = 0

    def saw(self, row: Row) -> None:
        """One row."""
        if row["kind"] == "part":
            self._parts.add(row["plc"]["parts"])
        elif row["kind"] == "confirmation":
            self._rejected += row["what"] == "rejected"
            self._unknown += row["what"] == "unknown part"
        elif row.get("code") == "plc_counters":
            self._mark(row)
        elif row.get("code") in ANEW or row.get("anew"):
            self.told += [row["text"]] if row["code"] == "counter_mismatch" else []
            self._restart(None)
            if row.get("anew"):
                self._last = self._open = None

    def result(self) -> dict[str, Any]:
        """`problems` is empty when both agree; of a running gate, up to its last note but one."""
        if self._open is not None and self._open[0]["last"]:
            self._settle()
        self._restart(self._base)
        return {**self.totals, "problems": self.problems, "told": self.told}

    def _mark(self, row: Row) -> None:
        plc = row["plc"]
        self._settle()
        if self._last is not None:
            its = self._last["plc"]
            gone = {name: (plc[name] - its[name]) % U32 for name in NAMES}
            self._open = row, gone["parts"]
            for name in NAMES:
                self.totals[name] += gone[name]
        if self._base is None or self._base["plc"]["epoch"] != plc["epoch"]:
            self._restart(row)
        elif row["sensors"]:
            self._rejects(self._base["plc"], plc, row["entry"])
        self._last = row

    def _settle(self) -> None:
        """The interval before the last mark: by now each of its parts has its row."""
        if self._open is None:
            return
        (row, count), self._open = self._open, None
        up_to = row["plc"]["parts"]
        have = {parts for parts in self._parts if (up_to - parts) % U32 < count}
        self._parts = {parts for parts in self._parts if 0 < (parts - up_to) % U32 < U32 // 2}
        self.totals["rows"] += len(have)
        if len(have) < count:
            text = f"up to row {row['entry']} the PLC counts {count} parts, {len(have)} of them have a row"
            self.problems.append(text)

    def _rejects(self, base: Row, plc: Row, entry: int) -> None:
        counted, unseen = ((plc[name] - base[name]) % U32 for name in ("rejects", "unconfirmed"))
        if not self._rejected - SLACK <= counted <= self._rejected + self._unknown + unseen + SLACK:
            text = (
                f"up to row {entry} the PLC counts {counted} rejects, its sensors saw {self._rejected} parts rejected"
            )
            self.problems.append(f"{text} and {self._unknown} unknown, it counts {unseen} unconfirmed")
            self._restart(None)

    def _restart(self, row: Row | None) -> None:
        self.totals["seen_rejected"] += self._rejected
        self.totals["seen_unknown"] += self._unknown
        self._base, self._rejected, self._unknown = row, 0, 0

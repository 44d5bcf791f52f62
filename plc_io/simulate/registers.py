"""The machine's memory, and the PLC program's view of it: rings it fills, results it checks.

Written against the map's table of names and offsets alone. How words are packed, what a verdict means and when a result
is taken is decided here a second time, on purpose: vision's code and this must not share a mistake.
"""

import os
from dataclasses import dataclass

from plc_io import signals as table

PASS, FAIL, GREY, NONE_SEEN = 1, 2, 3, 4
NAMES = {PASS: "OK", FAIL: "NG", GREY: "RECHECK", NONE_SEEN: "NOT_INSPECTED"}
MEMORY = 2000


@dataclass(frozen=True, slots=True)
class Taken:
    """One result that the PLC program found complete in the ring."""

    plc_epoch: int
    trigger_seq: int
    part_id: int
    code: int
    complement: int


class Registers:
    """Holding registers with the PLC program's access to them."""

    def __init__(self) -> None:
        self.words = [0] * MEMORY
        self.vision_epoch = 0
        self.next_result = 1
        self.power_up()

    def power_up(self) -> None:
        """Everything that is not retentive begins anew."""
        self.words[:] = [0] * MEMORY
        self.vision_epoch, self.next_result = 0, 1
        self.epoch = int.from_bytes(os.urandom(4), "big") | 1
        self.set("MAP_VERSION", 1)
        self.set("PLC_EPOCH", self.epoch)

    def set(self, name: str, value: int) -> None:
        """A signal of the PLC's header."""
        signal = table.PLC_HEADER[name]
        self._store(table.PLC_BASE + signal.offset, signal.words, value)

    def vision(self, name: str) -> int:
        """A signal of vision's header."""
        signal = table.VISION_HEADER[name]
        return self._load(table.VISION_BASE + signal.offset, signal.words)

    def write_trigger(self, seq: int, part_id: int, encoder: int, recipe: int) -> None:
        """A ring entry, then the header that announces it."""
        self._entry(table.TRIGGER_RING, table.TRIGGER, 32, seq, PART_ID=part_id, ENCODER=encoder, RECIPE=recipe)
        self.set("TRIG_SEQ", seq)

    def write_confirmation(self, seq: int, part_id: int, what: int, encoder: int) -> None:
        """A ring entry, then the header that announces it."""
        self._entry(table.CONFIRM_RING, table.CONFIRM, 32, seq, PART_ID=part_id, WHAT=what, ENCODER=encoder)
        self.set("CONF_SEQ", seq)

    def greet_vision(self) -> bool:
        """A vision that was started again: clear its ring, count from 1, echo its epoch."""
        epoch = self.vision("VIS_EPOCH")
        if epoch == self.vision_epoch:
            return False
        length = sum(signal.words for signal in table.RESULT.values())
        self.words[table.RESULT_RING : table.RESULT_RING + 8 * length] = [0] * (8 * length)
        self.vision_epoch, self.next_result = epoch, 1
        self.set("ACK_SEQ", 0)
        self.set("VIS_EPOCH_SEEN", epoch)
        return True

    def take_result(self) -> Taken | None:
        """The next result if it is complete; acknowledged at once, whatever the program makes of it."""
        start = table.RESULT_RING + (self.next_result - 1) % 8 * sum(signal.words for signal in table.RESULT.values())

        def field(name: str) -> int:
            return self._load(start + table.RESULT[name].offset, table.RESULT[name].words)

        if field("SEQ") != self.next_result or field("SEQ_AGAIN") != self.next_result:
            return None
        found = Taken(field("PLC_EPOCH"), field("TRIG_SEQ"), field("PART_ID"), field("VERDICT"), field("VERDICT_NOT"))
        self.set("ACK_SEQ", self.next_result)
        self.next_result = self.next_result + 1 if self.next_result < 0xFFFF else 1
        return found

    def _entry(self, ring: int, layout: dict[str, table.Signal], slots: int, seq: int, **fields: int) -> None:
        start = ring + (seq - 1) % slots * sum(signal.words for signal in layout.values())
        self._store(start + layout["SEQ"].offset, 1, seq)
        for name, value in fields.items():
            self._store(start + layout[name].offset, layout[name].words, value)
        self._store(start + layout["SEQ_AGAIN"].offset, 1, seq)

    def _store(self, address: int, count: int, value: int) -> None:
        """High word first."""
        if count == 2:
            self.words[address] = (value // 65536) % 65536
            self.words[address + 1] = value % 65536
        else:
            self.words[address] = value % 65536

    def _load(self, address: int, count: int) -> int:
        if count == 2:
            return self.words[address] * 65536 + self.words[address + 1]
        return self.words[address]

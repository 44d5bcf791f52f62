"""Signal map v1: every word that PLC and vision exchange. The one source of truth for drivers, tag maps, simulator.

16-bit words, u32 as two words with the high word first; sequences run 1 … 65535 and skip 0 when they wrap. PLC → vision
begins at holding register 0, vision → PLC at 1000. Each header fits one Modbus read (at most 125 registers).
"""

from dataclasses import dataclass

from vocabulary import Mode, Verdict

MAP_VERSION = 1
PLC_BASE, VISION_BASE = 0, 1000
HEARTBEAT_MS = 100  # both sides count one up this often
HEARTBEAT_LOST_MS = 500  # longer without a new value: the other side is gone
SEQUENCE_MAX = 65535


@dataclass(frozen=True, slots=True)
class Signal:
    """One named value."""

    name: str
    offset: int  # words from the start of its block
    words: int
    meaning: str


def block(*rows: tuple[str, int, str]) -> dict[str, Signal]:
    """Signals one after another: (name, words, meaning)."""
    signals, offset = {}, 0
    for name, words, meaning in rows:
        signals[name] = Signal(name, offset, words, meaning)
        offset += words
    return signals


def size(signals: dict[str, Signal]) -> int:
    """Words of a block."""
    return sum(signal.words for signal in signals.values())


PLC_HEADER = block(
    ("MAP_VERSION", 1, f"{MAP_VERSION}; anything else: vision is not ready"),
    ("CTRL", 1, "bits, see CTRL"),
    ("PLC_HB", 1, f"+1 every {HEARTBEAT_MS} ms"),
    ("PLC_EPOCH", 2, "new at each PLC start, never 0"),
    ("RECIPE_REQ", 1, "recipe number wanted"),
    ("DEADLINE_MS", 1, "trigger, or the last camera further along → verdict consumed; 0: the recipe's holds"),
    ("TRIG_SEQ", 1, "last trigger written to the trigger ring; 0: none in this epoch"),
    ("CONF_SEQ", 1, "last entry written to the confirm ring; 0: none"),
    ("ACK_SEQ", 1, "last result consumed; 0: none of this vision epoch"),
    (
        "VIS_EPOCH_SEEN",
        2,
        "echo of VIS_EPOCH once the result ring is cleared for it: vision writes results from then on",
    ),
    ("LOT", 2, "context"),
    ("SHIFT", 1, "context"),
    ("OPERATOR", 1, "context: badge number"),
    ("PARTS", 2, "retentive: triggers ever given"),
    ("REJECTS", 2, "retentive: parts rejected"),
    ("TIMEOUTS", 2, "retentive: parts without a verdict in time"),
    ("UNCONFIRMED", 2, "retentive: rejects that no sensor confirmed"),
    ("ENCODER", 2, "belt position now; with it vision refuses a trigger that was published too late. 0: not given"),
)
TRIGGER = block(
    ("SEQ", 1, "1 … 65535; differs from SEQ_AGAIN while it is being written"),
    ("PART_ID", 2, "the PLC's number of the part"),
    ("ENCODER", 2, "belt position at the trigger"),
    ("RECIPE", 1, "recipe latched at the trigger; 0: the active one"),
    ("SEQ_AGAIN", 1, "= SEQ when complete"),
)
CONFIRM = block(
    ("SEQ", 1, "1 … 65535"),
    ("PART_ID", 2, "the PLC's number of the part; 0 for an unknown part"),
    ("WHAT", 1, "see WHAT"),
    ("ENCODER", 2, "belt position"),
    ("SEQ_AGAIN", 1, "= SEQ when complete"),
)
VISION_HEADER = block(
    ("MAP_VERSION", 1, f"{MAP_VERSION}"),
    ("STATUS", 1, "bits, see STATUS; the mode in bits 8 … 10, see MODES"),
    ("VIS_HB", 1, f"+1 every {HEARTBEAT_MS} ms while the gate's loop and this exchange live"),
    ("VIS_EPOCH", 2, "new at each start of the gate: results begin again at 1, as they do for a new PLC_EPOCH"),
    ("TRIG_SEEN", 1, "last trigger taken over"),
    ("RECIPE_ACTIVE", 1, "recipe number in use"),
    ("RECIPE_CHECKSUM", 1, "changes when anybody edits the recipe"),
    ("FAULT_CODE", 1, "what keeps READY off, else the first alarm; 0: none"),
    ("RES_SEQ", 1, "last result written; written after the result itself"),
)
RESULT = block(
    ("SEQ", 1, "1 … 65535; written last, in a request of its own"),
    ("PLC_EPOCH", 2, "echo"),
    ("TRIG_SEQ", 1, "echo"),
    ("PART_ID", 2, "echo"),
    ("VERDICT", 1, "1 OK, 2 NG, 3 RECHECK, 4 NOT_INSPECTED; 0 is never sent"),
    ("VERDICT_NOT", 1, "bitwise complement of VERDICT"),
    ("CLASS", 1, "defect class; 0: none"),
    ("SCORE", 1, "score × 1000, at most 65535"),
    ("LATENCY_MS", 1, "trigger seen → result written"),
    ("SEQ_AGAIN", 1, "= SEQ when complete"),
)
TRIGGER_SLOTS, CONFIRM_SLOTS, RESULT_SLOTS = 32, 32, 8
TRIGGER_RING = PLC_BASE + 40
CONFIRM_RING = TRIGGER_RING + TRIGGER_SLOTS * size(TRIGGER)
RESULT_RING = VISION_BASE + 20

CTRL = {
    "enable": 0, "running": 1, "purge": 2, "fault_reset": 3, "allow_auto": 4, "observe_key": 5, "bypass_key": 6,
    "allow_setup": 7,
}  # fmt: skip
STATUS = {
    "online": 0, "ready": 1, "fault": 2, "degraded_timing": 3, "missed_trigger": 4, "overrun": 5, "stop_request": 6,
}  # fmt: skip
STATUS_MODE_SHIFT = 8
MODES = {Mode.OFFLINE: 0, Mode.SETUP: 1, Mode.OBSERVE: 2, Mode.AUTO: 3, Mode.BYPASS: 4}
VERDICTS = {Verdict.OK: 1, Verdict.NG: 2, Verdict.RECHECK: 3, Verdict.NOT_INSPECTED: 4}
WHAT = {1: "rejected", 2: "passed", 3: "recheck lane", 4: "unknown part", 5: "hold"}


def slot(seq: int, slots: int) -> int:
    """Which slot of a ring a sequence lies in."""
    return (seq - 1) % slots


def following(seq: int, by: int = 1) -> int:
    """The sequence `by` later; 0 is skipped."""
    return (seq - 1 + by) % SEQUENCE_MAX + 1 if seq else (by - 1) % SEQUENCE_MAX + 1


def distance(first: int, last: int) -> int:
    """How many sequences lie from `first` (exclusive; 0: before the first ever) to `last` (inclusive)."""
    return last if first == 0 else (last - first) % SEQUENCE_MAX


def get(words: list[int], signal: Signal, at: int = 0) -> int:
    """A value out of a block that starts at `at`."""
    value = 0
    for word in words[at + signal.offset : at + signal.offset + signal.words]:
        value = value << 16 | word
    return value


def put(words: list[int], signal: Signal, value: int) -> None:
    """A value into a block; wraps at its width."""
    for k in range(signal.words):
        words[signal.offset + k] = value >> 16 * (signal.words - 1 - k) & 0xFFFF

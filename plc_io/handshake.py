"""The handshake of signal map v1 as a state machine: no I/O, no clock. Words go in, events and words come out.

Every trigger leaves here exactly once, in order; what can't be trusted leaves with a `fault` and is never exposed.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from plc_io.signals import (
    CONFIRM,
    CONFIRM_SLOTS,
    PLC_HEADER,
    RESULT,
    RESULT_SLOTS,
    SEQUENCE_MAX,
    TRIGGER,
    TRIGGER_SLOTS,
    VERDICTS,
    WHAT,
    distance,
    following,
    get,
    put,
    size,
    slot,
)
from vocabulary import Reason, Verdict

REMEMBERED = 256  # triggers whose seq and part id are kept for their result
TORN_POLLS = 2  # a slot that is half written for longer than this is a fault of the PLC
BACKLOG = 64  # results waiting for the PLC's acknowledgement; older ones are past every deadline
U32 = 1 << 32
MOST_MISSED = 20_000  # triggers that get a row each after an absence; more, or a counter that went back, is one event


@dataclass(frozen=True, slots=True)
class Trigger:
    """One part at the camera. It must end in exactly one verdict."""

    plc_epoch: int
    number: int  # unwrapped count of triggers inside this PLC epoch, from 1
    seq: int  # the PLC's 16-bit number
    part_id: int | None  # None: the slot could not be read any more
    encoder: int | None
    recipe: int | None
    parts: int  # the PLC's retentive PARTS counter as it stood at this trigger
    seen_ns: int  # the poll that saw it
    earliest_ns: int | None  # the poll before was asked then: the trigger can't be older; None: age unknown
    fault: Reason | None  # not None: NOT_INSPECTED, without an exposure
    behind: int | None = None  # encoder counts since it was latched, when the poll saw it; None: not given


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a sensor behind the rejecter saw."""

    plc_epoch: int
    seq: int
    part_id: int
    what: str  # signals.WHAT
    encoder: int


@dataclass(frozen=True, slots=True)
class Consumed:
    """The PLC took a result."""

    plc_epoch: int
    number: int  # of the trigger
    result_seq: int
    seen_ns: int


@dataclass(frozen=True, slots=True)
class Session:
    """The PLC is there."""

    plc_epoch: int
    number: int  # of the last trigger accounted for
    resumed: bool  # the same PLC epoch as before
    parts: int  # the PLC's retentive PARTS counter at that trigger
    text: str
    anew: bool = False  # accounting does not go on from what is known: the numbers before are nobody's
    confirmed: int = 0  # confirmations after this one are read


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that a person should know of."""

    code: str
    text: str


Event = Trigger | Confirmation | Consumed | Session | Anomaly


@dataclass(frozen=True, slots=True)
class Accounted:
    """The last trigger that the ledger has a row for."""

    plc_epoch: int
    number: int
    parts: int
    confirmed: int | None = None  # sequence of the last confirmation that has a row; None: none of this epoch


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict on its way to the PLC."""

    plc_epoch: int
    number: int
    verdict: Verdict
    defect_class: int
    score: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Addressed:
    """A result with what the PLC knows its part by; kept with it, for the trigger may be forgotten before it leaves."""

    result: Result
    trigger_seq: int
    part_id: int


@dataclass(frozen=True, slots=True)
class Reads:
    """Ring entries to fetch before the next header: how many, and after which sequence."""

    triggers: tuple[int, int]  # (after seq, count)
    confirmations: tuple[int, int]


class Handshake:
    """One gate's view of one PLC."""

    def __init__(self, accounted: Accounted | None, vision_epoch: int) -> None:
        self.accounted, self.vision_epoch = accounted, vision_epoch
        self.results_open = False  # the PLC has cleared the result ring for our epoch
        self.plc_epoch: int | None = None
        self.number = 0  # last trigger handed on, in this PLC epoch
        self.seq = 0  # its 16-bit form; 0: none yet
        self.base = 0  # PARTS before this epoch's first trigger
        self.confirmed = 0
        self.last_poll_ns: int | None = None
        self.encoder = 0  # live belt position as of the last header; 0: not given
        self.outstanding: OrderedDict[int, Addressed] = (
            OrderedDict()
        )  # result seq → result, written or not, not acknowledged
        self.queue: list[Addressed] = []  # waiting for a free slot
        self.dropped = 0  # results that found the queue full
        self._known: OrderedDict[int, tuple[int, int]] = OrderedDict()  # trigger number → seq, part id
        self._next_result = 1
        self._torn = 0
        self._mismatches = 0

    # ── PLC → vision ─────────────────────────────────────────────────────────────────────────────────────────────
    def header(self, words: list[int], now_ns: int) -> tuple[list[Event], Reads]:
        """Take in one PLC header; returns what happened and which ring entries to read next."""
        events: list[Event] = []
        epoch = value(words, "PLC_EPOCH")
        if epoch == 0:  # never, so this header is none
            return [], Reads((0, 0), (0, 0))
        if epoch != self.plc_epoch:
            events += self._begin(words, epoch, now_ns)
        self.results_open = value(words, "VIS_EPOCH_SEEN") == self.vision_epoch
        if self.results_open:
            events += self._acknowledged(value(words, "ACK_SEQ"), now_ns)
        self.encoder = value(words, "ENCODER")
        events += self._count_check(words, now_ns)
        new = distance(self.seq, value(words, "TRIG_SEQ"))
        if self.seq and new > SEQUENCE_MAX // 2:
            text = f"TRIG_SEQ went back from {self.seq} to {value(words, 'TRIG_SEQ')}: check the PLC program"
            events.append(Anomaly("sequence_back", text))
            self.seq, new = value(words, "TRIG_SEQ"), 0
        if new > TRIGGER_SLOTS:
            why = Reason("trigger_ring_overrun", f"{new} triggers since the last poll, the ring holds {TRIGGER_SLOTS}")
            for _ in range(new - TRIGGER_SLOTS):
                events.append(self._lost(why, now_ns))
            new = TRIGGER_SLOTS
        confirmations = distance(self.confirmed, value(words, "CONF_SEQ"))
        if self.confirmed and confirmations > SEQUENCE_MAX // 2:
            text = f"CONF_SEQ went back from {self.confirmed} to {value(words, 'CONF_SEQ')}: check the PLC program"
            events.append(Anomaly("sequence_back", text))
            self.confirmed, confirmations = value(words, "CONF_SEQ"), 0
        if confirmations > CONFIRM_SLOTS:
            events.append(Anomaly("confirm_ring_overrun", f"{confirmations - CONFIRM_SLOTS} confirmations were missed"))
            self.confirmed = following(self.confirmed, confirmations - CONFIRM_SLOTS)
            confirmations = CONFIRM_SLOTS
        return events, Reads((self.seq, new), (self.confirmed, confirmations))

    def triggers(self, words: list[int], count: int, now_ns: int) -> list[Event]:
        """Take in `count` trigger ring entries that follow `self.seq`, in order."""
        events: list[Event] = []
        for k in range(count):
            entry = words[k * size(TRIGGER) : (k + 1) * size(TRIGGER)]
            expected, seen = following(self.seq), get(entry, TRIGGER["SEQ"])
            if seen != get(entry, TRIGGER["SEQ_AGAIN"]):
                self._torn += 1
                if self._torn <= TORN_POLLS:
                    break  # being written: look again at the next poll, in order
                events.append(self._lost(Reason("trigger_torn", f"trigger {expected} stays half written"), now_ns))
            elif seen != expected:
                events.append(self._lost(Reason("trigger_gap", f"the PLC skipped trigger {expected}"), now_ns))
            else:
                events.append(self._fresh(entry, now_ns))
            self._torn = 0
        return events

    def confirmations(self, words: list[int], count: int) -> list[Event]:
        """Take in `count` confirm ring entries that follow `self.confirmed`, in order."""
        events: list[Event] = []
        for k in range(count):
            entry = words[k * size(CONFIRM) : (k + 1) * size(CONFIRM)]
            expected, seen = following(self.confirmed), get(entry, CONFIRM["SEQ"])
            if seen != get(entry, CONFIRM["SEQ_AGAIN"]):
                break
            self.confirmed = expected
            what = WHAT.get(get(entry, CONFIRM["WHAT"]))
            if seen != expected or what is None:
                events.append(Anomaly("confirm_gap", f"confirmation {expected} is missing or unknown"))
                continue
            part_id, encoder = get(entry, CONFIRM["PART_ID"]), get(entry, CONFIRM["ENCODER"])
            events.append(Confirmation(self.plc_epoch or 0, seen, part_id, what, encoder))
        return events

    def polled(self, asked_ns: int) -> None:
        """The exchange went through: a trigger seen next is younger than `asked_ns`, when its header was asked for.

        Not so while a half written one keeps those behind it from being read: they were announced before.
        """
        if not self._torn:
            self.last_poll_ns = asked_ns

    def link_lost(self) -> None:
        """Nothing is assumed about a connection that had an error; sequences and ages stay as they were."""
        self._torn = 0

    # ── vision → PLC ─────────────────────────────────────────────────────────────────────────────────────────────
    def add(self, result: Result) -> None:
        """Take a result for the PLC; one of an older PLC epoch or of a part without a readable id has no addressee."""
        if result.plc_epoch != self.plc_epoch or result.number not in self._known:
            return
        if len(self.queue) >= BACKLOG:
            self.queue.pop(0)
            self.dropped += 1
        self.queue.append(Addressed(result, *self._known[result.number]))

    def next_result(self) -> tuple[int, list[int]] | None:
        """The next result to write, (sequence, ring entry); None while there is none or no acknowledged slot."""
        taken = {slot(seq, RESULT_SLOTS) for seq in self.outstanding}
        if not self.queue or not self.results_open or slot(self._next_result, RESULT_SLOTS) in taken:
            return None
        seq = self._next_result
        self._next_result = following(seq)
        self.outstanding[seq] = self.queue.pop(0)
        return seq, self.entry(seq)

    def entry(self, seq: int) -> list[int]:
        """The ring entry of an outstanding result: always the same words for the same sequence."""
        its = self.outstanding[seq]
        result = its.result
        words = [0] * size(RESULT)
        code = VERDICTS[result.verdict]
        for name, number in (
            ("SEQ", seq),
            ("PLC_EPOCH", result.plc_epoch),
            ("TRIG_SEQ", its.trigger_seq),
            ("PART_ID", its.part_id),
            ("VERDICT", code),
            ("VERDICT_NOT", ~code),
            ("CLASS", result.defect_class),
            ("SCORE", min(65535, max(0, round(result.score * 1000)))),
            ("LATENCY_MS", min(65535, max(0, round(result.latency_ms)))),
            ("SEQ_AGAIN", seq),
        ):
            put(words, RESULT[name], number)
        return words

    @property
    def last_result(self) -> int:
        """RES_SEQ: the last sequence given out, 0 before the first."""
        return 0 if self._next_result == 1 and not self.outstanding else (self._next_result - 2) % SEQUENCE_MAX + 1

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _begin(self, words: list[int], epoch: int, now_ns: int) -> list[Event]:
        """First contact, or the PLC was started again: account for every trigger that nobody saw."""
        parts, last = value(words, "PARTS"), value(words, "TRIG_SEQ")
        known = self.accounted
        if self.plc_epoch is not None:
            known = Accounted(self.plc_epoch, self.number, self.base + self.number)
        self._known.clear()
        self.outstanding.clear()
        self.queue.clear()
        self._next_result = 1  # the PLC clears its ring for us before it takes anything
        events: list[Event] = []
        if known is None:
            self._adopt(epoch, last, parts)
            text = f"first contact; accounting begins after part {parts}"
            events.append(Session(epoch, last, False, parts, text, anew=True))
        elif self._implausible(known, epoch, parts, last):
            ahead = (last - self._sequence_of(known.number)) % SEQUENCE_MAX  # numbers of one epoch never come twice
            self._adopt(epoch, known.number + ahead if known.plc_epoch == epoch else last, parts)
            text = f"the PLC counts {parts} parts, the ledger ended at {known.parts}: accounting begins anew at {parts}"
            events.append(Anomaly("counter_mismatch", f"{text}; was the PLC replaced or its memory lost?"))
            events.append(Session(epoch, self.number, False, parts, text, anew=True))
        elif known.plc_epoch == epoch:
            missed = (parts - known.parts) % U32
            self._adopt(epoch, known.number, known.parts)
            why = Reason("gate_restarted", "triggered while the gate was not there")
            events = [self._lost(why, now_ns) for _ in range(missed)]
            events.append(
                Session(
                    epoch, self.number, True, parts, f"resumed; {missed} triggers came while the gate was not there"
                )
            )
        else:
            missed = (parts - last - known.parts) % U32
            self._adopt(known.plc_epoch, known.number, known.parts)
            why = Reason("plc_restarted", "triggered shortly before the PLC was restarted; never seen")
            events = [self._lost(why, now_ns) for _ in range(missed)]
            self._adopt(epoch, 0, parts - last)
            why = Reason("plc_restarted", "triggered before this gate saw the restarted PLC: age unknown")
            events += [self._lost(why, now_ns) for _ in range(last)]
            events.append(
                Session(
                    epoch, self.number, False, parts, f"PLC was restarted; {missed} triggers before it were never seen"
                )
            )
        anew = any(isinstance(one, Session) and one.anew for one in events)
        self.confirmed = self._first_confirmation(None if anew else known, epoch, value(words, "CONF_SEQ"))
        return [replace(one, confirmed=self.confirmed) if isinstance(one, Session) else one for one in events]

    def _first_confirmation(self, known: Accounted | None, epoch: int, last: int) -> int:
        """Those after this one are read: none of a PLC that nobody knew, all since a known one was started again."""
        if known is not None and known.plc_epoch != epoch:
            return 0
        return last if known is None or known.confirmed is None else known.confirmed

    def _implausible(self, known: Accounted, epoch: int, parts: int, last: int) -> bool:
        """More triggers missed than any absence explains, or a counter that went back."""
        before = 0 if known.plc_epoch == epoch else last  # those of the new epoch are counted apart
        return (parts - known.parts) % U32 > MOST_MISSED or (parts - before - known.parts) % U32 > MOST_MISSED

    def _adopt(self, epoch: int, number: int, parts: int) -> None:
        self.plc_epoch, self.number, self.base = epoch, number, (parts - number) % U32
        self.seq = self._sequence_of(number)

    @staticmethod
    def _sequence_of(number: int) -> int:
        """The 16-bit form of a trigger's number; 0: none yet."""
        return (number - 1) % SEQUENCE_MAX + 1 if number else 0

    def _count_check(self, words: list[int], now_ns: int) -> list[Event]:
        """The PLC's own count of parts must agree with ours once nothing is on its way."""
        expected = (self.base + self.number + distance(self.seq, value(words, "TRIG_SEQ"))) % U32
        difference = (value(words, "PARTS") - expected) % U32
        self._mismatches = self._mismatches + 1 if difference else 0
        if self._mismatches <= TORN_POLLS:
            return []
        self._mismatches = 0
        signed = difference if difference < U32 // 2 else difference - U32
        told = Anomaly("counter_mismatch", f"the PLC counts {signed:+d} parts beside its triggers")
        if not 0 < signed <= MOST_MISSED:
            self.base = (self.base + difference) % U32
            return [told]
        why = Reason("trigger_uncounted", "the PLC counted this part and announced it to nobody")
        return [told, *(self._beside(why, now_ns) for _ in range(signed))]

    def _beside(self, why: Reason, now_ns: int) -> Trigger:
        """A part that the retentive counter knows of and no sequence: it gets a number, the sequence stays."""
        self.number += 1
        return self._trigger(None, None, None, now_ns, None, why)

    def _acknowledged(self, ack: int, now_ns: int) -> list[Event]:
        """The PLC consumes in order: everything up to the acknowledged result is done."""
        events: list[Event] = []
        if ack in self.outstanding:
            while self.outstanding:
                seq, its = self.outstanding.popitem(last=False)
                events.append(Consumed(its.result.plc_epoch, its.result.number, seq, now_ns))
                if seq == ack:
                    break
        return events

    def _fresh(self, entry: list[int], now_ns: int) -> Trigger:
        part_id = get(entry, TRIGGER["PART_ID"])
        self._count()
        self._known[self.number] = (self.seq, part_id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        earliest = self.last_poll_ns
        fault = None if earliest is not None else Reason("trigger_age_unknown", "the gate has just begun to poll")
        encoder, recipe = get(entry, TRIGGER["ENCODER"]), get(entry, TRIGGER["RECIPE"]) or None
        behind = (self.encoder - encoder + U32 // 2) % U32 - U32 // 2 if self.encoder else None
        return replace(self._trigger(part_id, encoder, recipe, now_ns, earliest, fault), behind=behind)

    def _lost(self, why: Reason, now_ns: int) -> Trigger:
        self._count()
        return self._trigger(None, None, None, now_ns, None, why)

    def _count(self) -> None:
        self.number += 1
        self.seq = following(self.seq)

    def _trigger(
        self, part_id: int | None, encoder: int | None, recipe: int | None, now_ns: int, earliest: int | None,
        fault: Reason | None,
    ) -> Trigger:  # fmt: skip
        parts = (self.base + self.number) % U32
        return Trigger(
            self.plc_epoch or 0, self.number, self.seq, part_id, encoder, recipe, parts, now_ns, earliest, fault
        )


def value(words: list[int], name: str) -> int:
    """A signal of the PLC header."""
    return get(words, PLC_HEADER[name])

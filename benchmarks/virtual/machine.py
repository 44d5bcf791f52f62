"""The machine, written from the printed map: register numbers typed by hand, no code of `plc_io` is used."""

from array import array
from collections import Counter, deque

from benchmarks.virtual.faults import Schedule

MAP, CTRL, BEAT, EPOCH, DEADLINE, TRIG_SEQ, CONF_SEQ, ACK, SEEN, PARTS, REJECTS, TIMEOUTS, ENCODER = (
    0, 1, 2, 3, 6, 7, 8, 9, 10, 16, 18, 20, 24,
)  # fmt: skip
TRIGGERS, CONFIRMS, RESULTS = 40, 264, 1020
STATUS, VISION_EPOCH = 1001, 1003
MS = 1_000_000
SCAN, TAKT, TRAVEL, DEADLINE_MS = 2 * MS, 4 * MS, 120 * MS, 60
SLOW_TAKT = 20 * MS  # with a second camera: a poll sees the belt before it has gone half a spacing on
OK, NG, RECHECK, NOT_INSPECTED = 1, 2, 3, 4
REJECTED, PASSED, LANE = 1, 2, 3  # the codes of the confirm ring
U32 = 1 << 32


class Machine:
    """Memory, program and belt. What it knows of each part lies in arrays, so a million parts cost 50 MB at once.

    The encoder counts milliseconds of belt motion. `further`: a second camera so many counts behind the part sensor.
    """

    def __init__(self, parts: int, first: int, faults: Schedule, further: int = 0) -> None:
        self.parts, self.first, self.faults, self.further = parts, first, faults, further
        self.takt = SLOW_TAKT if further else TAKT
        self.epochs, self.numbers, self.ids = (array("I", bytes(4 * parts)) for _ in range(3))
        self.at_ns, self.at_belt, self.seen_ns = (array("Q", bytes(8 * parts)) for _ in range(3))  # last camera: seen
        self.moved, self.scanned, self.stands_until = 0, 0, 0  # ns of belt motion
        self.coming: deque[int] = deque()  # on the way to the last camera
        self.took, self.routed = bytearray(parts), bytearray(parts)  # verdict taken, way out; 0: none
        self.took_us = array("I", bytes(4 * parts))  # after the trigger
        self.count = 0  # triggers so far
        self.begins: dict[int, int] = {}  # epoch → index of its first part
        self.late = self.refused = self.twice = self.rejects = self.timeouts = self.stops = 0
        self.wraps = Counter(triggers=0, results=0, confirmations=0)
        self.epoch, self.next_at, self.off_until = 70_000, self.takt, 0
        self.next_scan = SCAN
        self.power_up(0)
        if parts <= 65_535:  # a short run begins shortly before its sequences wrap
            self.number = self.confirmations = self.w[TRIG_SEQ] = self.w[CONF_SEQ] = 64_835
            self.begins[self.epoch] = -self.number

    @property
    def done(self) -> bool:
        """All parts have left."""
        return self.count == self.parts and not self.belt

    def power_up(self, off_until: int) -> None:
        """A new start: the belt is emptied, only the counters are kept."""
        self.w = [0] * 1200
        self.epoch += 1
        self.number = self.confirmations = self.vision = 0
        self.next_result = 1
        self.belt: deque[tuple[int, int]] = getattr(self, "belt", deque())  # when it leaves, index
        for _, part in self.belt:
            self.routed[part] = REJECTED
            self.rejects += 1
        self.belt.clear()
        self.coming.clear()
        self.known: dict[int, int] = {}  # part id → index, on the belt
        self.mend: list[tuple[int, int, list[int]]] = []  # when, address, entry: half written triggers
        self.begins[self.epoch] = self.count
        self.off_until = off_until
        self.w[MAP], self.w[CTRL], self.w[DEADLINE] = 1, 0b10011, DEADLINE_MS
        self.long(EPOCH, self.epoch)

    def index(self, epoch: int, number: int) -> int | None:
        """Which part the trigger `number` of an epoch announced."""
        begin = self.begins.get(epoch)
        found = begin + number - 1 if begin is not None else self.count
        return found if 0 <= found < self.count and self.epochs[found] == epoch else None

    def counter(self, part: int) -> int:
        """The retentive PARTS counter at this part's trigger."""
        return (self.first + part + 1) % U32

    def long(self, at: int, value: int) -> None:
        self.w[at], self.w[at + 1] = value // 65536 % 65536, value % 65536

    def scan(self, now: int) -> None:
        """One cycle."""
        self.next_scan = now + SCAN
        if now < self.off_until:
            self.scanned = now
            return
        if self.faults.take("belt stops 0.1 … 1 s"):
            self.stands_until = now + self.faults.span_ns(0.1, 1.0)
        self.moved += now - self.scanned if now >= self.stands_until else 0
        self.scanned = now
        w = self.w
        vision = w[VISION_EPOCH] * 65536 + w[VISION_EPOCH + 1]
        if vision != self.vision:
            w[RESULTS : RESULTS + 96] = [0] * 96
            self.vision, self.next_result, w[ACK] = vision, 1, 0
            self.long(SEEN, vision)
        at = RESULTS + (self.next_result - 1) % 8 * 12
        while w[at] == self.next_result == w[at + 11]:
            self.take(w[at : at + 12], now)
            w[ACK] = self.next_result
            self.wraps["results"] += self.next_result == 65535
            self.next_result = self.next_result % 65535 + 1
            at = RESULTS + (self.next_result - 1) % 8 * 12
        while self.coming and self.moved >= self.at_belt[self.coming[0]] + self.further * MS:
            self.seen_ns[self.coming.popleft()] = now
        while self.belt and self.moved >= self.belt[0][0]:
            self.leave(self.belt.popleft()[1], now)
        while self.mend and now >= self.mend[0][0]:
            _, at, entry = self.mend.pop(0)
            w[at : at + 7] = entry
        if not self.count and not vision:
            self.next_at = self.moved + 500 * MS  # the first part comes when both have met: accounting begins there
        if self.count < self.parts and self.moved >= self.next_at:
            self.next_at += int(self.takt * self.faults.chance.uniform(0.75, 1.25))
            self.trigger(now)
        w[BEAT] = now // (100 * MS) % 65536
        self.long(PARTS, (self.first + self.count) % U32)
        self.long(REJECTS, self.rejects)
        self.long(TIMEOUTS, self.timeouts)
        self.long(ENCODER, self.moved // MS % U32 or 1)
        faulty = w[STATUS] >> 2 & 1 and now // (500 * MS) % 2  # an operator who presses reset
        w[CTRL] = 0b11011 if faulty else 0b10011

    def take(self, entry: list[int], now: int) -> None:
        """Only a result that matches in everything is taken, once, in time."""
        part = self.known.get(entry[4] * 65536 + entry[5])
        code = entry[6]
        if part is None or not self.fits(entry, part):
            self.refused += 1
        elif self.seen_ns[part] and now - self.seen_ns[part] > DEADLINE_MS * MS:
            self.late += 1
        elif self.took[part]:
            self.twice += 1
        else:
            seen = self.seen_ns[part] or now  # before the last camera: of a part that can't be judged any more
            self.took[part], self.took_us[part] = code, (now - seen) // 1000

    def fits(self, entry: list[int], part: int) -> bool:
        """Epoch, sequence, verdict and its complement."""
        seq = (self.numbers[part] - 1) % 65535 + 1
        said = (entry[1] * 65536 + entry[2], entry[3], entry[7])
        return entry[6] in (1, 2, 3, 4) and said == (self.epoch, seq, 65535 - entry[6])

    def leave(self, part: int, now: int) -> None:
        """A part is at the rejecter: only OK passes."""
        code = self.took[part]
        way = PASSED if code == OK else LANE if code == RECHECK else REJECTED
        self.routed[part] = way
        self.rejects += way == REJECTED
        self.timeouts += not code
        del self.known[self.ids[part]]
        self.wraps["confirmations"] += self.confirmations == 65535
        self.confirmations = self.confirmations % 65535 + 1
        at = CONFIRMS + (self.confirmations - 1) % 32 * 7
        name, belt = self.ids[part], self.moved // MS
        self.w[at : at + 7] = [
            self.confirmations, name >> 16, name & 65535, way, belt >> 16 & 65535, belt & 65535, self.confirmations
        ]  # fmt: skip
        self.w[CONF_SEQ] = self.confirmations

    def trigger(self, now: int) -> None:
        """A part is at the camera."""
        part, self.number = self.count, self.number + 1
        name = (self.first + part) % (U32 - 1) + 1  # an id is never 0
        self.faults.at(part)
        self.epochs[part], self.numbers[part], self.ids[part], self.at_ns[part] = self.epoch, self.number, name, now
        self.at_belt[part] = self.moved
        self.count += 1
        self.belt.append((self.moved + self.further * MS + TRAVEL, part))
        if self.further:
            self.coming.append(part)
        else:
            self.seen_ns[part] = now
        self.known[name] = part
        self.wraps["triggers"] += self.number % 65535 == 1 < self.number
        seq, belt = (self.number - 1) % 65535 + 1, self.moved // MS
        at = TRIGGERS + (seq - 1) % 32 * 7
        self.w[TRIG_SEQ] = seq
        if self.faults.take("trigger skipped"):
            return
        entry = [seq, name >> 16, name & 65535, belt >> 16 & 65535, belt & 65535, 0, seq]
        short = self.faults.take("trigger half written for one scan")
        if short or self.faults.take("trigger half written for 100 ms"):
            self.w[at] = seq  # the rest is still of the part that had this slot before
            self.mend.append((now + (SCAN if short else 100 * MS), at, entry))
            self.mend.sort()
        else:
            self.w[at : at + 7] = entry

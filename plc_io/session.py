"""Joins a link and the handshake: one `poll` is one exchange with the PLC."""

from dataclasses import dataclass, replace

from plc_io.handshake import Accounted, Anomaly, Event, Handshake, Result
from plc_io.link import Link
from plc_io.signals import (
    CONFIRM,
    CONFIRM_RING,
    CONFIRM_SLOTS,
    CTRL,
    HEARTBEAT_LOST_MS,
    HEARTBEAT_MS,
    MAP_VERSION,
    MODES,
    PLC_BASE,
    PLC_HEADER,
    RESULT,
    RESULT_RING,
    RESULT_SLOTS,
    STATUS,
    STATUS_MODE_SHIFT,
    TRIGGER,
    TRIGGER_RING,
    TRIGGER_SLOTS,
    VISION_BASE,
    VISION_HEADER,
    following,
    get,
    put,
    size,
    slot,
)
from vocabulary import Clock, DeviceError, Mode, Reason

MOST = 120  # registers in one request; Modbus allows 125 to be read, 123 to be written


@dataclass(slots=True)
class Status:
    """What vision tells of itself; set by the gate before each poll."""

    online: bool = True
    ready: bool = False
    fault: bool = False
    degraded_timing: bool = False
    missed_trigger: bool = False
    overrun: bool = False
    stop_request: bool = False
    mode: Mode = Mode.OFFLINE
    recipe_active: int = 0
    recipe_checksum: int = 0
    fault_code: int = 0


@dataclass(frozen=True, slots=True)
class PlcView:
    """What the PLC tells of itself, as of the last poll."""

    plc_epoch: int = 0
    alive: bool = False  # its heartbeat moved within the time-out
    enable: bool = False
    running: bool = False
    purge: bool = False
    fault_reset: bool = False
    allow_auto: bool = False
    observe_key: bool = False
    bypass_key: bool = False
    allow_setup: bool = False
    recipe_req: int = 0
    deadline_ms: int = 0
    lot: int = 0
    shift: int = 0
    operator: int = 0
    parts: int = 0
    rejects: int = 0
    timeouts: int = 0
    unconfirmed: int = 0


class PlcSession:
    """One gate's exchange with one PLC, through all losses of the link."""

    def __init__(
        self, link: Link, vision_epoch: int, accounted: Accounted | None, clock: Clock, lost_ms: int = HEARTBEAT_LOST_MS
    ) -> None:
        self.link, self.vision_epoch, self.clock = link, vision_epoch, clock
        self.handshake = Handshake(accounted, vision_epoch)
        self._events: list[Event] = []  # happened, not handed on yet: an error half-way loses none
        self.status = Status()
        self.plc = PlcView()
        self.polled_ns: tuple[int | None, int] = None, 0  # when the last exchange before the last one was asked; now
        self.reasons: list[Reason] = [Reason("plc_not_seen", "the PLC was not reached yet")]
        self._open = False
        self._lost_ms = lost_ms
        self._beat: int | None = None
        self._beat_ns = 0
        self._heartbeat = 0
        self._told: list[int] = []
        self._told_ns = 0
        self._unwritten: list[int] = []  # result sequences whose writing failed half-way
        self._map_told = False

    @property
    def ready_to_run(self) -> bool:
        """The PLC is there, speaks our map, lives and enables us."""
        return not self.reasons

    @property
    def backlog(self) -> int:
        """Results that the PLC has not acknowledged."""
        return len(self.handshake.queue) + len(self.handshake.outstanding)

    def poll(self) -> list[Event]:
        """Header, new ring entries, due writes. Raises DeviceLost, DeviceTimeout; the next poll opens a new link."""
        try:
            if not self._open:
                self.link.open()
                self._open = True
                self._told = []
                self._unwritten = list(self.handshake.outstanding)
            self._exchange()
        except DeviceError:
            self._lose()
            raise
        events, self._events = self._events, []
        return events

    def send(self, result: Result) -> None:
        """Write a result now. On DeviceError it stays queued, and is written with the same sequence after reopening."""
        self.handshake.add(result)
        if not self._open or self._map_told:  # nothing is written into memory that means something else
            return
        try:
            self._write_results()
        except DeviceError:
            self._lose()
            raise

    def _exchange(self) -> None:
        asked = self.clock.now_ns()  # a trigger not in this header is younger than the question, not than the answer
        words = self.link.read(PLC_BASE, size(PLC_HEADER))
        now = self.clock.now_ns()
        if get(words, PLC_HEADER["MAP_VERSION"]) != MAP_VERSION:
            self._other_map(get(words, PLC_HEADER["MAP_VERSION"]))
            return
        self._map_told = False
        self.polled_ns = self.handshake.last_poll_ns, now
        events, reads = self.handshake.header(words, now)
        self._events += events
        self._look(words, now)
        if reads.triggers[1]:
            entries = self._ring(TRIGGER_RING, size(TRIGGER), TRIGGER_SLOTS, *reads.triggers)
            self._events += self.handshake.triggers(entries, reads.triggers[1], now)
        if reads.confirmations[1]:
            entries = self._ring(CONFIRM_RING, size(CONFIRM), CONFIRM_SLOTS, *reads.confirmations)
            self._events += self.handshake.confirmations(entries, reads.confirmations[1])
        self._write_results()
        self._tell(now)
        self.handshake.polled(asked)

    def _ring(self, base: int, entry: int, slots: int, after: int, count: int) -> list[int]:
        """The `count` entries that follow sequence `after`, in as few requests as ring and frame size allow."""
        places = [slot(following(after, k + 1), slots) for k in range(count)]
        words: list[int] = []
        while places:
            run = 1
            while run < min(len(places), MOST // entry) and places[run] == places[0] + run:
                run += 1
            words += self.link.read(base + places[0] * entry, run * entry)
            places = places[run:]
        return words

    def _write_results(self) -> None:
        while self._unwritten:
            if self._unwritten[0] in self.handshake.outstanding:
                self._write_result(self._unwritten[0], self.handshake.entry(self._unwritten[0]))
            self._unwritten.pop(0)
        while (result := self.handshake.next_result()) is not None:
            self._unwritten.append(result[0])
            self._write_result(*result)
            self._unwritten.pop()

    def _write_result(self, seq: int, words: list[int]) -> None:
        """Payload with the trailing sequence, then the leading one, then RES_SEQ: never valid before it is complete."""
        address = RESULT_RING + slot(seq, RESULT_SLOTS) * size(RESULT)
        self.link.write(address + 1, words[1:])
        self.link.write(address, words[:1])
        self.link.write(VISION_BASE + VISION_HEADER["RES_SEQ"].offset, [seq])

    def _tell(self, now: int) -> None:
        """Our header on every change, and the heartbeat when it is due."""
        beat = now - self._told_ns >= HEARTBEAT_MS * 1_000_000
        words = self._header(self._heartbeat + beat)
        if beat or words != self._told:
            self.link.write(VISION_BASE, words)
            self._told = words
        if beat:
            self._heartbeat, self._told_ns = self._heartbeat + 1, now

    def _header(self, heartbeat: int) -> list[int]:
        status, words = self.status, [0] * size(VISION_HEADER)
        bits = sum(bool(getattr(status, name)) << bit for name, bit in STATUS.items())
        ready = status.ready and self.ready_to_run
        bits = bits & ~(1 << STATUS["ready"]) | ready << STATUS["ready"] | MODES[status.mode] << STATUS_MODE_SHIFT
        for name, number in (
            ("MAP_VERSION", MAP_VERSION),
            ("STATUS", bits),
            ("VIS_HB", heartbeat),
            ("VIS_EPOCH", self.vision_epoch),
            ("TRIG_SEEN", self.handshake.seq),
            ("RECIPE_ACTIVE", status.recipe_active),
            ("RECIPE_CHECKSUM", status.recipe_checksum),
            ("FAULT_CODE", status.fault_code),
            ("RES_SEQ", self.handshake.last_result),
        ):
            put(words, VISION_HEADER[name], number)
        return words

    def _look(self, words: list[int], now: int) -> None:
        """The PLC's own state, and what is missing for READY."""

        def of(name: str) -> int:
            return get(words, PLC_HEADER[name])

        if of("PLC_HB") != self._beat:
            self._beat, self._beat_ns = of("PLC_HB"), now
        control = of("CTRL")
        bits = {name: bool(control >> bit & 1) for name, bit in CTRL.items()}
        self.plc = PlcView(
            plc_epoch=of("PLC_EPOCH"),
            alive=now - self._beat_ns < self._lost_ms * 1_000_000,
            recipe_req=of("RECIPE_REQ"),
            deadline_ms=of("DEADLINE_MS"),
            lot=of("LOT"),
            shift=of("SHIFT"),
            operator=of("OPERATOR"),
            parts=of("PARTS"),
            rejects=of("REJECTS"),
            timeouts=of("TIMEOUTS"),
            unconfirmed=of("UNCONFIRMED"),
            **bits,
        )
        self.reasons = []
        if not self.plc.alive:
            self.reasons.append(
                Reason("plc_heartbeat", f"PLC_HB stands still for {self._lost_ms} ms: is the PLC in RUN?")
            )
        if self.plc.plc_epoch == 0:
            self.reasons.append(Reason("plc_epoch", "PLC_EPOCH is 0, it must be new at each start: check its program"))
        if not self.plc.enable:
            self.reasons.append(Reason("plc_disabled", "the PLC does not enable vision: CTRL bit 0"))

    def _other_map(self, version: int) -> None:
        text = f"the PLC has MAP_VERSION {version}, this station {MAP_VERSION}: load the PLC blocks of `jidoka plc map`"
        self.plc = replace(self.plc, alive=False)
        self.reasons = [Reason("map_version", text)]
        if not self._map_told:
            self._events.append(Anomaly("map_version", text))
        self._map_told = True

    def _lose(self) -> None:
        self._open = False
        self.link.close()
        self.handshake.link_lost()
        self.plc = replace(self.plc, alive=False)

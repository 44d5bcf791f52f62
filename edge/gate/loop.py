"""The gate's main loop: polls the PLC, asks the engine, and lets no part leave without its one verdict.

poll     | | | | | | | | | | | | | | | |      every poll_ms; a new trigger becomes a Part
ask        ▓ one request to the engine
answer           ▓ record to the ledger, then the verdict to the PLC
deadline                  ^ no answer by now: NOT_INSPECTED leaves, a late answer is recorded and never applied
"""

import hashlib
import os
import select
from collections import deque
from typing import Any

import structlog

from edge.gate import admission, change_over, shedding, standing, status
from edge.gate.alarms import Alarms, Change
from edge.gate.commands import execute
from edge.gate.counters import Counters
from edge.gate.deliveries import Deliveries
from edge.gate.finish import finish, not_inspected
from edge.gate.journal import Journal
from edge.gate.looks import BeltPosition, Look, arrival, looks_of
from edge.gate.modes import KEYS, Modes
from edge.gate.part import Part, nonsense
from edge.gate.peers import EngineLink, Peers
from edge.gate.presented import Presented
from edge.gate.reactions import Raised, Reactions
from edge.gate.records import FEW, TOO_MANY, Records
from edge.gate.transport import Transport
from edge.messages import Hello, Inspected, RecipeState, Why
from edge.process import Progress, Stop, new_epoch, start_log
from edge.realtime import raise_priority
from edge.settings import StateFolder
from plc_io.drivers import link
from plc_io.handshake import Accounted, Anomaly, Confirmation, Consumed, Event, Session, Trigger
from plc_io.session import PlcSession
from vocabulary import Clock, DeviceError, Mode, MonotonicClock, Verdict, utc_now

LOOK_NS = 100_000_000  # between looks at modes and alarms; a page hears from the gate as often
BACKOFF_NS = (20_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000)  # between attempts on a lost PLC
BATCH = 100  # events of the PLC per round, so that the heartbeat goes on through any number of them


class Gate:
    """Everything the gate holds."""

    def __init__(self, state: StateFolder, clock: Clock, journal: Journal) -> None:
        self.station, _ = state.station()
        self.station_sha256 = hashlib.sha256(state.station_now.read_bytes()).hexdigest()
        self.clock, self.epoch = clock, new_epoch()
        self.log: structlog.typing.FilteringBoundLogger = start_log(state, "gate", self.station.name, self.epoch)
        self.records = Records(state, Hello("gate", self.epoch, os.getpid()), journal)
        self.engine = EngineLink(self.epoch, clock)
        self.peers = Peers(state, self.engine)
        self.link = link(self.station.plc.uri)
        self.plc: PlcSession | None = None  # made when the ledger has said where it stands
        self.plc_fault: DeviceError | None = None
        self.events: deque[Event] = deque()  # of the PLC, not dealt with yet: thousands after a long absence
        self.waiting: deque[Part] = deque()  # triggered, not asked yet
        self.asked: Part | None = None
        self.travelling: list[Part] = []  # on the belt between two cameras, oldest first
        self.degraded: list[str] = []
        self.modes = Modes(self.station.mode)
        self.alarms = Alarms()
        self.reactions = Reactions(sensors=self.station.plc.confirmations)
        self.presented = Presented()
        self.recipe: int | None = None  # asked for at this station
        self.transport = Transport()
        self.counters = Counters()
        self.deliveries = Deliveries()
        self.shedding = shedding.Shedding()
        self._reset_seen = True  # only a reset that begins in this gate's time acknowledges anything
        self.counts: dict[str, int] = dict.fromkeys((*map(str, Verdict), "late", "anomalies", "missed"), 0)
        self.pictures: dict[str, str] = {}  # camera → SHA-256 of its last picture
        self.trouble_ns: dict[str, int] = {}  # bit of the status word → when it last had a cause
        self._failures = 0
        self._next_poll_ns = clock.now_ns()
        self._looked_ns = 0
        self._told = 0
        standing.restore(self, journal.kept())

    # ── one round ────────────────────────────────────────────────────────────────────────────────────────────────
    def round(self) -> None:
        """Sleep until somebody has something or something is due; then do what is due."""
        readable = self._sleep()
        self.records.pump()
        if readable:
            self.peers.welcome()
        for answer in self.engine.hear():
            self._answered(answer)
        if self.engine.introduced:
            self._introduced()
        if self.clock.now_ns() >= self._next_poll_ns:
            self._poll()
        for _ in range(min(BATCH, len(self.events))):
            if self.records.numbers_left >= FEW:
                self._happened(self.events.popleft())
        self._arrive()
        self._expire()
        self._ask()
        self.engine.ping()
        for commander, command in self.peers.commands():
            self.peers.answer(commander, execute(self, command))
        self._look()

    def _sleep(self) -> bool:
        due = [0] if self.events and self.records.numbers_left >= FEW else []
        due += [self._next_poll_ns, *(part.deadline_ns for part in self.in_flight())]
        left_s = max(0.0, (min(due) - self.clock.now_ns()) / 1e9)
        peers = [*self.peers.waiting(), *([self.records.channel] if self.records.channel else [])]
        return bool(select.select(peers, [], [], left_s)[0])  # select keeps microseconds; poll and epoll round to ms

    def _introduced(self) -> None:
        """Another engine judges from here on: by which files, and by whose leave, is in the ledger."""
        self.engine.introduced = False
        recipes = {its.name: [its.sha256, *(why.code for why in its.unproven)] for its in self.engine.recipes.values()}
        leave = " (allow_provisional: AUTO without evidence)" if self.station.allow_provisional else ""
        self.note("engine_attached", f"engine attached{leave}", recipes=recipes, station_sha256=self.station_sha256)

    def in_flight(self) -> list[Part]:
        """Asked, then waiting, then between two cameras."""
        return [*([self.asked] if self.asked else []), *self.waiting, *self.travelling]

    # ── the PLC ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _poll(self) -> None:
        if (session := self._session()) is None:
            self._next_poll_ns = self.clock.now_ns() + BACKOFF_NS[0]
            return
        status.show(self, session)
        try:
            events = session.poll()
        except DeviceError as err:
            if self.plc_fault is None:
                self.log.warning("plc lost", why=str(err))
            self.plc_fault = err
            self._next_poll_ns = self.clock.now_ns() + BACKOFF_NS[min(self._failures, len(BACKOFF_NS) - 1)]
            self._failures += 1
            return
        if self.plc_fault is not None:
            self.log.info("plc back", after_failures=self._failures)
        self.plc_fault, self._failures = None, 0
        self._next_poll_ns = max(
            self._next_poll_ns + int(self.station.plc.poll_ms * 1e6), self.clock.now_ns()
        )  # a late poll is not made up for by a burst
        self.events += events
        self._reset(session.plc.fault_reset)

    def _session(self) -> PlcSession | None:
        """The PLC session; begins when the ledger is there, pauses when it can't take any more records."""
        if self.plc is None and self.records.welcome is not None:
            stands = self.records.welcome
            accounted = None
            if not self.records.journal.kept():
                standing.from_ledger(self, stands)
                self.keep()
            if stands.plc_epoch is not None:
                accounted = Accounted(stands.plc_epoch, stands.number, stands.parts, stands.confirmed)
                self.presented.knows(stands.plc_epoch, stands.presented)
                self.reactions.on_belt(stands.belt)
                for number, parts in stands.missing:
                    self._never_judged(stands.plc_epoch, number, parts)
            self.plc = PlcSession(self.link, self.epoch, accounted, self.clock, self.station.plc.heartbeat_lost_ms)
        stuck = len(self.records.held) >= TOO_MANY or self.records.numbers_left < FEW
        return None if stuck else self.plc

    def _never_judged(self, plc_epoch: int, number: int, parts: int) -> None:
        """A hole in the ledger that a killed gate left behind."""
        now = self.clock.now_ns()
        trigger = Trigger(plc_epoch, number, 0, None, None, None, parts, now, None, None)
        why = "gate was restarted before this part's verdict was recorded"
        not_inspected(self, self._part(trigger), [Why("gate_restarted", why)])

    def _happened(self, event: Event) -> None:
        match event:
            case Trigger():
                self._triggered(event)
            case Confirmation():
                plc = {"epoch": event.plc_epoch, "seq": event.seq, "part_id": event.part_id, "encoder": event.encoder}
                self.records.add("confirmation", None, {"utc": utc_now(), "what": event.what, "plc": plc})
                self.counters.seen(event.what)
                self.react(self.reactions.confirmed(event.part_id, event.what))
            case Consumed():
                if (sent := self.deliveries.consumed(event)) is not None:
                    self.transport.consumed(sent.began_ns, event.seen_ns)
            case Session():
                plc = {"epoch": event.plc_epoch, "number": event.number, "parts": event.parts}
                plc["confirmed"] = event.confirmed
                self.note(
                    "plc_session", event.text, plc=plc, anew=event.anew
                )  # where accounting stands before the first part's row
                if not event.resumed:
                    self.reactions.forget_belt()
                    self._emptied()
            case Anomaly():
                self.found(event)

    def found(self, anomaly: Anomaly) -> None:
        """What a person should know of the PLC."""
        self.counts["anomalies"] += 1
        self.note(anomaly.code, anomaly.text)
        self.counters.found(anomaly.code)
        self.react(self.reactions.anomaly(anomaly.code, anomaly.text))

    def _emptied(self) -> None:
        """A PLC that was restarted has purged its belt: no part comes to its next camera any more."""
        parts, self.travelling = self.travelling, []
        for part in parts:
            why = "the PLC was restarted while the belt carried this part to its next camera"
            not_inspected(self, part, [Why("plc_restarted", why)])

    def react(self, raised: list[Raised]) -> None:
        """Alarms, and rows that say so."""
        for one in raised:
            priority = 2 if one.rule.do == "alarm" else 1
            changes = self.alarms.happened(one.key, one.text, priority, one.remedy, self.clock.now_ns(), utc_now())
            self.keep()  # before the row: what a row says stands, stands
            rule = [one.rule.on, one.rule.count, one.rule.within, one.rule.do, one.rule.plan]
            self.tell(changes, on=one.rule.on, do=one.rule.do, rule=rule)
            if not changes:  # it stands already, for another part
                self.note("alarm_again", one.text, key=one.key, on=one.rule.on, do=one.rule.do)

    def _reset(self, asked: bool) -> None:
        """The PLC's fault reset, by its rising edge, acknowledges everything that stands."""
        if asked and not self._reset_seen:
            for one in self.reactions.reset():
                self.note("alarm_reset", one.text, on=one.rule.on, do=one.rule.do, by="PLC fault_reset")
            for key in list(self.alarms.standing):
                self.tell(self.alarms.acknowledge(key, "PLC fault_reset"))
            self.keep()
        self._reset_seen = asked

    def note(self, code: str, text: str, **more: Any) -> None:
        """One event row."""
        self.log.info("event", code=code, text=text)
        self.records.add("event", None, {"utc": utc_now(), "code": code, "text": text, **more})

    # ── a part's way ─────────────────────────────────────────────────────────────────────────────────────────────
    def _part(self, trigger: Trigger) -> Part:
        """Windows count from the previous poll: the trigger may be as old as that."""
        recipe = change_over.latched(self, trigger.recipe)
        its = self.engine.recipe(recipe)
        looks = deque(looks_of(self.station.cameras, its.cameras if its else []) or [Look(0, [])])
        attempt, first = self.presented.attempt(trigger)
        part = Part(self.records.next_part(), trigger, looks, attempt=attempt, first=first, recipe=recipe)
        if part.look.position == 0:
            oldest = trigger.earliest_ns if trigger.earliest_ns is not None else trigger.seen_ns
            part.arrived(oldest, trigger.seen_ns, *self._times(its))
        return part

    def _times(self, its: RecipeState | None) -> tuple[int, int]:
        """Window and deadline after a part is before its cameras, in nanoseconds."""
        return int((its.exposure_window_ms if its else 0.0) * 1e6), int(self.deadline_ms(its) * 1e6)

    def deadline_ms(self, its: RecipeState | None) -> float:
        """The recipe's, or the PLC's less plc.transport_ms if shorter; a banner tells when transport takes more."""
        mine = its.deadline_ms if its else 0.0
        plc = self.plc.plc.deadline_ms if self.plc else 0
        return min(mine, plc - self.station.plc.transport_ms) if plc else mine

    def _triggered(self, trigger: Trigger) -> None:
        part = self._part(trigger)
        self.transport.trigger(trigger.earliest_ns, trigger.seen_ns)
        for earlier in self.in_flight():
            if earlier.look.position == 0:
                earlier.next_seen_ns = earlier.next_seen_ns or trigger.seen_ns
        if why := admission.refused(self, part):
            not_inspected(self, part, why)
        elif part.look.position:
            self.travelling.append(part)
        else:
            self.waiting.append(part)

    def _arrive(self) -> None:
        """Parts that the belt has brought before their next cameras, or beyond them, by the last poll."""
        if not self.travelling or self.plc is None or self.plc_fault is not None:
            return
        belt = BeltPosition(self.plc.handshake.encoder, *self.plc.polled_ns)
        for part in list(self.travelling):
            its = self.engine.recipe(part.recipe)
            spacing = its.least_spacing_counts if its else None
            there = arrival(part.trigger.encoder or 0, part.look, belt, spacing or 1)
            if there is False:
                continue
            self.travelling.remove(part)
            if there is True:
                oldest = belt.earliest_ns if belt.earliest_ns is not None else belt.seen_ns
                part.arrived(oldest, belt.seen_ns, *self._times(its))
                self.waiting.append(part)
            else:
                not_inspected(self, part, [there])

    def _ask(self) -> None:
        """Give the engine the oldest waiting part, if it owes nothing."""
        while self.waiting and self.asked is None and self.engine.owes is None:
            part = self.waiting.popleft()
            if unmet := self.engine.unmet():
                not_inspected(self, part, unmet)
                continue
            part.asked_ns = part.laps_ns["asked"] = self.clock.now_ns()
            part.spare = shedding.spare(self, part, part.asked_ns)
            request = part.request(self.epoch)
            if self.engine.ask(request):
                self.asked = part
            else:
                why = "engine took no request: it is being restarted, or see logs/engine.jsonl"
                not_inspected(self, part, [Why("engine_absent", why)])

    def _answered(self, answer: Inspected) -> None:
        if self.asked is None or (answer.part, answer.look) != (self.asked.number, self.asked.look.position):
            self.counts["late"] += 1
            self.records.add("late_result", answer.part, {"utc": utc_now(), "judged": answer.verdict})
            return
        part, self.asked = self.asked, None
        part.laps_ns["answered"] = self.clock.now_ns()
        if not part.spare and answer.verdict == Verdict.OK:
            self.shedding.pictures += len(answer.pictures)
        if unsound := nonsense(answer, part.recipe, part.look.cameras, part.answers):
            not_inspected(self, part, [unsound])  # nothing of it is kept
        elif why := admission.void(self, part, answer):
            not_inspected(self, part, why, answer)
        elif len(part.looks) > 1 and answer.verdict != Verdict.NOT_INSPECTED:
            part.goes_on(answer)
            self.travelling.append(part)
        else:
            finish(self, part, Verdict(answer.verdict), answer.reasons, answer)

    def _expire(self) -> None:
        """No answer by the deadline, or the engine died with the question: NOT_INSPECTED leaves now."""
        now = self.clock.now_ns()
        if self.asked is not None and self.engine.owes != self.asked.number:
            part, self.asked = self.asked, None
            why = "engine died while it looked at this part: it is being restarted"
            not_inspected(self, part, [Why("engine_died", why)])
        if self.asked is not None and now >= self.asked.deadline_ns:
            part, self.asked = self.asked, None
            not_inspected(self, part, [Why("engine_late", "no answer by the deadline")])
        for part, why_not in [(part, shedding.hopeless(self, part, now)) for part in self.waiting]:
            if why_not is not None:
                self.waiting.remove(part)
                if why_not.code == "shed":
                    self.shedding.part(now)
                not_inspected(self, part, [why_not])

    # ── what the station is doing ────────────────────────────────────────────────────────────────────────────────
    @property
    def mode(self) -> Mode:
        """By the active recipe."""
        return self.mode_for(self.engine.recipe())

    def mode_for(self, its: RecipeState | None) -> Mode:
        """OFFLINE without a PLC, else what is permitted with this recipe."""
        return Mode.OFFLINE if self.plc is None or self.plc_fault is not None else self.permitted(its)

    def permitted(self, its: RecipeState | None) -> Mode:
        """The wanted mode as far as allowed: AUTO needs the PLC's leave, and evidence or the declared override."""
        forbidden = self.plc is not None and not (self.plc.plc.alive and self.plc.plc.allow_auto)
        unproven = its is not None and (bool(its.unproven) or admission.deadline_unproven(self, its) is not None)
        unproven = unproven and not self.station.allow_provisional
        return self.modes.permitted(auto=not forbidden and not unproven)

    def keyed(self, mode: Mode) -> bool:
        """The PLC releases parts by itself in this mode: its key is turned."""
        view = self.plc.plc if self.plc else None
        return view is not None and {Mode.OBSERVE: view.observe_key, Mode.BYPASS: view.bypass_key}.get(mode, False)

    def granted(self, mode: Mode) -> bool:
        """The PLC's key for a mode that needs one is turned."""
        if mode not in KEYS:
            return True
        return self.plc is not None and self.plc.plc.alive and bool(getattr(self.plc.plc, KEYS[mode]))

    def _look(self) -> None:
        """Ten times a second: what ends by itself, what has become an alarm, which recipe is asked for, the pages."""
        now = self.clock.now_ns()
        if now - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now
        ended = self.modes.look(now, self.granted(self.modes.wanted))
        for text in ended:
            self.note("mode_ended", text)
        changes = self.alarms.look(status.conditions(self), now, utc_now())
        self.tell(changes)
        if ended or changes:
            self.keep()
        change_over.go_on(self)
        self.counters.look(self)
        self.deliveries.look(self)
        self._tell_pages()

    def tell(self, changes: list[Change], **more: Any) -> None:
        """Alarms that began, ended or were handled become event rows."""
        for change in changes:
            its = change.alarm
            self.note(change.code, its.text, key=its.key, priority=its.priority, action=its.action, by=its.by, **more)

    def keep(self) -> None:
        """Mode, forcing, alarms and recipe outlive this gate."""
        if not self.records.journal.keep(standing.pack(self)):
            self.log.error("too much to keep", alarms=len(self.alarms.standing))

    def _tell_pages(self) -> None:
        if self.peers.pages:
            self._told += 1
            self.peers.tell_pages(status.message(self, self._told, self.clock.now_ns()))


def run(state: StateFolder, progress: Progress, held_fd: int | None) -> None:
    """The process `gate`; `held_fd` is the supervisor's memory for records that are not on disk yet."""
    stop, gate = Stop(), Gate(state, MonotonicClock(), Journal(held_fd))
    real_time = gate.station.real_time
    gate.degraded = raise_priority(real_time.gate_priority, real_time.gate_core, helpers_stay_normal=False)
    gate.log.info("armed", missing_rights=gate.degraded)
    while not stop:
        progress.mark("gate")
        gate.round()
    gate.counters.tell(gate)
    gate.deliveries.tell(gate)
    gate.log.info("stopped", held=len(gate.records.held))

"""What the line must not go on with: counts what happens to parts and says when to warn, hold or stop. Pure.

verdicts      OK  NG  NG  NG                 NG 3 in a row → stop
told          1   2   3   4      to the PLC, by part id, in belt order
confirmed     1   2       4      3 was passed over: nobody saw it leave → unconfirmed
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from edge.messages import ReactionRule
from vocabulary import Verdict

HOLD = "HOLD"  # the PLC's key releases it
MOST_ON_BELT = 512  # parts between camera and the sensor behind the rejecter: more than any belt holds
RELEASED = {"passed": Verdict.OK, "hold": HOLD, "recheck lane": Verdict.RECHECK}  # how seen → what must have been told
ALWAYS = (  # these hold whatever a recipe says; a recipe may add, never take away
    ReactionRule("escape_seen", 1, 1, "stop"),
    ReactionRule("unknown_part", 1, 1, "stop"),
    ReactionRule("passed_unproven", 1, 1, "alarm"),
    ReactionRule("reject_after_ok", 1, 1, "alarm"),
    ReactionRule("unconfirmed", 1, 1, "alarm"),
    ReactionRule("counter_mismatch", 1, 1, "alarm"),
    ReactionRule("confirmations_missed", 1, 1, "alarm"),
)
MEANING = {
    "NG": ("parts are NG", "look for the cause at the process before the camera"),
    "RECHECK": ("parts are in the grey band", "look at the parts; teach or move the limit"),
    "NOT_INSPECTED": ("parts were not inspected", "read the reasons on the page: camera, light, engine"),
    "escape_seen": ("a part that had no OK was seen leaving as good", "stop, find the part, check the rejecter"),
    "passed_unproven": ("a part that nobody remembers an OK for left as good", "find the part and inspect it"),
    "unknown_part": ("a part that nobody announced was at the rejecter", "clear the belt, check the part sensor"),
    "reject_after_ok": ("a part with OK was rejected", "check the rejecter's timing and the PLC's shift register"),
    "unconfirmed": ("a part was never seen behind the rejecter", "check the sensors there, find the part"),
    "confirmations_missed": ("nobody saw how some parts left", "look at the rejected and passed parts of that time"),
    "counter_mismatch": ("the PLC counts other parts than it announced", "check the PLC's counters and sensor"),
}


@dataclass(slots=True)
class Raised:
    """An alarm that stands until somebody resets it."""

    rule: ReactionRule
    text: str
    remedy: str

    @property
    def key(self) -> str:
        """The alarm's name: one per rule."""
        its = self.rule
        return its.on if its in ALWAYS else f"{its.on}_{its.count}_of_{its.within}_{its.do}"


@dataclass(slots=True)
class Watch:
    """One rule and what it has seen."""

    rule: ReactionRule
    seen: deque[bool] = field(default_factory=deque)

    def saw(self, matches: bool) -> bool:
        """One more part; True when the rule is met."""
        self.seen.append(matches)
        while len(self.seen) > self.rule.within:
            self.seen.popleft()
        return matches and sum(self.seen) >= self.rule.count


class Reactions:
    """All rules of the active recipe, what stands raised, and the parts on the belt."""

    def __init__(self, *, sensors: bool = True) -> None:
        self.sensors = sensors  # the PLC tells how parts left
        self.raised: dict[ReactionRule, Raised] = {}
        self._known: dict[ReactionRule, Watch] = {rule: Watch(rule) for rule in ALWAYS}  # of all recipes so far
        self._watches: list[Watch] = list(self._known.values())  # of the recipe in use
        self._told: OrderedDict[int, str] = OrderedDict()  # part id → verdict or HOLD, in belt order

    def use(self, rules: list[ReactionRule]) -> None:
        """The rules of the recipe by which the next part is judged; those of another keep what they have seen."""
        wanted = [*ALWAYS, *(rule for rule in rules if rule not in ALWAYS)]
        if wanted != [watch.rule for watch in self._watches]:
            self._watches = [self._known.setdefault(rule, Watch(rule)) for rule in wanted]

    def seen(self) -> list[tuple[ReactionRule, list[bool]]]:
        """What rules over several parts have seen, so that it outlives a gate."""
        return [(watch.rule, list(watch.seen)) for watch in self._known.values() if watch.rule.within > 1]

    def saw(self, seen: list[tuple[ReactionRule, list[bool]]]) -> None:
        """Go on where a killed gate stood."""
        for rule, parts in seen:
            self._known.setdefault(rule, Watch(rule)).seen.extend(parts)

    @property
    def hold(self) -> Raised | None:
        """Why READY is off, if a reaction wants that."""
        return next((one for one in self.raised.values() if one.rule.do in ("hold", "stop")), None)

    @property
    def stop(self) -> bool:
        """The PLC is asked to stop the line."""
        return any(one.rule.do == "stop" for one in self.raised.values())

    def on_belt(self, parts: list[tuple[int, str]]) -> None:
        """What the ledger knows of parts that nobody has seen leave yet: id, verdict or HOLD, in belt order."""
        for part_id, told in parts:
            self._told.setdefault(part_id, told)

    def told(self, part_id: int | None, verdict: Verdict, *, hold: bool = False) -> list[Raised]:
        """The PLC was told; `verdict` is what counts for the rules. Returns what was raised by it."""
        if part_id is not None:
            self._told.pop(part_id, None)  # presented again: it is the last one on the belt now
            self._told[part_id] = HOLD if hold else verdict
        raised = []
        while len(self._told) > MOST_ON_BELT:
            gone, _ = self._told.popitem(last=False)
            if self.sensors and "unconfirmed" not in [rule.on for rule in self.raised]:  # a dead sensor is told once
                raised += self._count("unconfirmed", True, f"part {gone}, {MOST_ON_BELT} parts later")
        for kind in (Verdict.NG, Verdict.RECHECK, Verdict.NOT_INSPECTED):
            raised += self._count(kind.value, verdict is kind, f"last: part {part_id}")
        return raised

    def confirmed(self, part_id: int, what: str) -> list[Raised]:
        """A sensor behind the rejecter saw this part; those announced before it and not seen are unconfirmed."""
        if what == "unknown part" or part_id == 0:
            return self._count("unknown_part", True, "")
        raised: list[Raised] = []
        if part_id not in self._told:  # rows lost in a power cut, or an id that the PLC made up
            return self._count("passed_unproven", what in RELEASED, f"part {part_id}, {what}")
        while (first := next(iter(self._told))) != part_id:
            del self._told[first]
            raised += self._count("unconfirmed", True, f"part {first}")
        verdict = self._told.pop(part_id)
        if what in RELEASED and verdict != RELEASED[what]:
            raised += self._count("escape_seen", True, f"part {part_id} had {verdict}")
        if what == "rejected" and verdict == Verdict.OK:
            raised += self._count("reject_after_ok", True, f"part {part_id}")
        return raised

    def anomaly(self, code: str, text: str) -> list[Raised]:
        """What the handshake found: counters that disagree with triggers, confirmations that nobody read."""
        on = {"confirm_ring_overrun": "confirmations_missed", "confirm_gap": "confirmations_missed"}.get(code, code)
        return self._count(on, True, text) if on in MEANING else []

    def forget_belt(self) -> None:
        """A PLC that was restarted has emptied its belt: nothing on it is confirmed any more."""
        self._told.clear()

    def reset(self, key: str | None = None) -> list[Raised]:
        """Somebody acknowledged one alarm, or all. Returns what stood."""
        stood = [one for one in self.raised.values() if key in (None, one.key)]
        for one in stood:
            del self.raised[one.rule]
        for watch in self._known.values():
            if key is None or watch.rule in [one.rule for one in stood]:
                watch.seen.clear()
        return stood

    def _count(self, on: str, matches: bool, detail: str) -> list[Raised]:
        """What this part raises; a rule of ALWAYS that stands already is raised again, since it names another part."""
        raised = []
        for watch in self._watches:
            again = watch.rule in ALWAYS or watch.rule not in self.raised
            if watch.rule.on == on and watch.saw(matches) and again:
                what, remedy = MEANING[on]
                many = f"{watch.rule.count} of the last {watch.rule.within} " if watch.rule.within > 1 else ""
                if watch.rule.count == watch.rule.within > 1:
                    many = f"{watch.rule.count} in a row: "
                text = f"{many}{what}" + (f" ({detail})" if detail else "")
                one = Raised(watch.rule, text, watch.rule.plan or remedy)
                self.raised[watch.rule] = one
                raised.append(one)
        return raised

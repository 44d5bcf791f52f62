"""Which parts were before the camera already: attempts are linked and limited; nobody tests a bad part into a good."""

from collections import OrderedDict
from dataclasses import dataclass

from edge.messages import Why
from plc_io.handshake import Trigger
from vocabulary import Verdict

REMEMBERED = 16_384  # ids of this PLC epoch; at 20 parts/s a quarter of an hour, at one a second a shift's half
AGAIN = (Verdict.RECHECK, Verdict.NOT_INSPECTED)  # only what was not decided may be presented again


@dataclass(slots=True)
class Earlier:
    """What is known of one part id."""

    first: int  # our number of the first attempt
    attempts: int
    verdict: Verdict


class Presented:
    """Part ids by (PLC epoch, id): a PLC that was restarted may count its ids anew. Id 0 is no id."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], Earlier] = OrderedDict()

    def knows(self, plc_epoch: int, earlier: list[tuple[int, int, int, str]]) -> None:
        """What the ledger has of this PLC epoch, oldest first: id, our first number, attempts, judged."""
        for part_id, first, attempts, judged in earlier:
            known = self._known.setdefault((plc_epoch, part_id), Earlier(first, attempts, Verdict(judged)))
            known.attempts = max(known.attempts, attempts)
            known.verdict = known.verdict if known.verdict not in AGAIN else Verdict(judged)

    def attempt(self, trigger: Trigger) -> tuple[int, int | None]:
        """Which attempt this is, and our number of the first one; (1, None) for a new part."""
        known = self._known.get((trigger.plc_epoch, trigger.part_id or 0))
        return (known.attempts + 1, known.first) if known else (1, None)

    def refused(self, trigger: Trigger, most: int) -> Why | None:
        """Why this part must not be judged again; None: it may."""
        known = self._known.get((trigger.plc_epoch, trigger.part_id or 0))
        if known is None:
            return None
        if known.verdict not in AGAIN:
            text = f"part id {trigger.part_id} was judged {known.verdict} already (part {known.first})"
            return Why("presented_again", f"{text}: only RECHECK and NOT_INSPECTED may come again")
        if known.attempts >= most:
            text = f"part id {trigger.part_id} comes for the {known.attempts + 1}. time (first: part {known.first})"
            return Why("presented_again", f"{text}: line.most_attempts allows {most}")
        return None

    def judged(self, trigger: Trigger, number: int, verdict: Verdict) -> None:
        """Keep what came of it. A refused attempt does not change what was judged before."""
        if not trigger.part_id:
            return
        key = trigger.plc_epoch, trigger.part_id
        if (known := self._known.get(key)) is None:
            self._known[key] = Earlier(number, 1, verdict)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        else:
            known.attempts += 1
            known.verdict = known.verdict if known.verdict not in AGAIN else verdict

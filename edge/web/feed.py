"""What the pages are shown: the gate's last state and the recorder's last part, heard over their sockets."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from edge.channel import Channel, ChannelClosed, connect
from edge.messages import GateState, Hello, Live
from edge.process import new_epoch
from edge.settings import StateFolder
from edge.web.view import gate_view, part_view
from vocabulary import Clock

POLL_S = 0.02
RECONNECT_S = 0.25
MARGINS = 1000  # parts over which the least deadline margin is shown
TAKTS = 10  # intervals between parts that are averaged
FRESH_NS = 1_500_000_000  # design UI, principle 4: older than this is no news


class Feed:
    """One for all pages. Only the newest part is kept: a page that is slow misses parts, nobody queues for it."""

    def __init__(self, state: StateFolder, clock: Clock, counts: dict[str, int]) -> None:
        self.state, self.clock = state, clock
        self.gate: GateState | None = None
        self.part: dict[str, Any] | None = None
        self.part_ns = 0
        self.counts = counts
        self.not_kept = 0  # pictures, since the recorder started
        self.margins_us: deque[int] = deque(maxlen=MARGINS)
        self._stamps: deque[datetime] = deque(maxlen=TAKTS + 1)
        self._hello = Hello("web", new_epoch(), os.getpid())
        self._peers: dict[str, Channel] = {}
        self._next_try = 0.0
        self.on_part: Callable[[Live], None] = lambda live: None  # told of every part
        self.version = 0  # +1 at each piece of news
        self._news = asyncio.Event()

    async def run(self, alive: Callable[[], None]) -> None:
        """Hear both peers for ever; `alive` is called each time round."""
        try:
            while True:
                alive()
                self.pump()
                await asyncio.sleep(POLL_S)
        finally:
            for peer in self._peers.values():
                peer.close()

    async def changed(self, since: int, at_most_s: float) -> None:
        """Wait until there is something newer than version `since`."""
        if self.version != since:
            return
        try:
            await asyncio.wait_for(self._news.wait(), at_most_s)
        except TimeoutError:
            return

    def pump(self) -> None:
        """Connect if need be; take all that came."""
        self._connect()
        for role, peer in list(self._peers.items()):
            try:
                while (message := peer.receive()) is not None:
                    self._take(message)
            except ChannelClosed:
                peer.close()
                del self._peers[role]

    def age_ms(self) -> float | None:
        """How old the gate's last word is; None: it never spoke."""
        return None if self.gate is None else (self.clock.now_ns() - self.gate.now_ns) / 1e6

    def fresh(self) -> bool:
        """Is the station alive?"""
        return self.gate is not None and self.clock.now_ns() - self.gate.now_ns < FRESH_NS

    def status(self) -> dict[str, Any]:
        """All but the part."""
        return {
            "age_ms": self.age_ms(),
            "part_age_ms": (self.clock.now_ns() - self.part_ns) / 1e6 if self.part else None,
            "gate": None if self.gate is None else gate_view(self.gate),
            "counts": self.counts,
            "takt_s": self._takt_s(),
            "margin_us": {"least": min(self.margins_us), "n": len(self.margins_us)} if self.margins_us else None,
        }

    def _connect(self) -> None:
        if len(self._peers) == 2 or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + RECONNECT_S
        for role in {"gate", "recorder"} - set(self._peers):
            if (peer := connect(self.state.socket(role))) is not None:
                try:
                    peer.send(self._hello)
                except ChannelClosed:
                    peer.close()
                    continue
                self._peers[role] = peer

    def _take(self, message: object) -> None:
        match message:
            case GateState():
                self.gate = message
            case Live():
                self.part, self.part_ns, self.counts = part_view(message), message.now_ns, message.shift
                self.not_kept = message.not_kept
                self.on_part(message)
                self._stamps.append(datetime.fromisoformat(self.part["utc"]))
                answered, deadline = self.part["laps_us"].get("answered"), self.part["deadline_us"]
                if answered is not None and deadline is not None:
                    self.margins_us.append(deadline - answered)
            case _:
                return
        self.version += 1
        self._news.set()
        self._news = asyncio.Event()

    def _takt_s(self) -> float | None:
        """The mean of the last intervals; None while there are none."""
        if len(self._stamps) < 2:
            return None
        return (self._stamps[-1] - self._stamps[0]).total_seconds() / (len(self._stamps) - 1)

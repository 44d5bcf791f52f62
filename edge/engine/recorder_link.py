"""The engine's way to the recorder: pictures through the ring, and an account of those that found no place.

put        FrameReady ─▶ … ◀─ Release                 the recorder has its copy
no slot    PicturesDropped ─▶ … ◀─ PicturesNamed      the parts are in a row on disk; until then they are told again
another    PicturesHanded ─▶ … ◀─ PicturesNamed       what the recorder before was given last: is it all there?
"""

from collections import deque

from edge.channel import Channel, ChannelClosed, connect
from edge.engine.inspect import Look
from edge.messages import (
    FrameReady,
    FrameRing,
    Hello,
    PicturesDropped,
    PicturesHanded,
    PicturesNamed,
    Release,
)
from edge.ring import RingWriter
from edge.settings import StateFolder

SLOTS = 16  # pictures the recorder may be behind: 0.8 s at 20 parts/s; a commit's worst fsync was 250 ms
SLOT_BYTES = 6 << 20  # 5 megapixels grey, 2 in colour; a larger picture is judged but not kept (told)
NAMED = 200  # parts named of those whose picture is not kept
HANDED = 256  # more than a recorder has in hand: the ring, and what waits for its disk
MAX_MAP_BYTES = 128 << 10  # a score map larger than this stays at home: it must fit one message


class RecorderLink:
    """No part waits for anything here; a recorder that is not there costs pictures, and the parts are named later."""

    def __init__(self, state: StateFolder, hello: Hello) -> None:
        self.path, self.hello = state.socket("recorder"), hello
        self.ring = RingWriter(SLOTS, SLOT_BYTES)
        self.channel: Channel | None = None
        self.dropped: dict[str, tuple[list[int], int]] = {}  # reason → first parts, how many; not told yet
        self._told: deque[PicturesDropped] = deque()  # not on disk yet
        self._handed: deque[tuple[int, str, str]] = deque(maxlen=HANDED)  # part, SHA-256, verdict
        self._asked: tuple[int, set[tuple[int, str, str]]] = 0, set()  # handed before, by the sequence that tells it
        self._sequence = 0

    def try_connect(self) -> None:
        """If there is a recorder and we are not connected."""
        if self.channel is not None or (channel := connect(self.path)) is None:
            return
        self.channel = channel
        try:
            self.ring.release_all()
            channel.send(self.hello)
            channel.send(FrameRing(self.hello.epoch, SLOTS, SLOT_BYTES), self.ring.fd)
            self._asked = self._next(), set(self._handed)
            channel.send(PicturesHanded(self.hello.epoch, self._sequence, list(self._handed)))
            self._tell_dropped()
        except ChannelClosed:
            self._lose()

    def hear(self) -> None:
        """Slots that are free again, parts that are named."""
        try:
            while self.channel is not None and (message := self.channel.receive()) is not None:
                if isinstance(message, Release):
                    self.ring.release(message.slot, message.generation)
                elif isinstance(message, PicturesNamed):
                    while self._told and self._told[0].sequence <= message.sequence:
                        self._told.popleft()
                    if message.sequence >= self._asked[0]:
                        kept = [one for one in self._handed if one not in self._asked[1]]
                        self._handed, self._asked = deque(kept, HANDED), (self._sequence + 1, set())
        except ChannelClosed:
            self._lose()

    def hand_over(self, part: int, look: Look, verdict: str) -> None:
        """A picture that finds no slot or no recorder is not kept, and the recorder told; no part waits for it."""
        place = "recorder_absent" if self.channel is None else self.ring.put(look.image)
        if self.channel is None or isinstance(place, str):
            return self._drop(str(place), part)
        fits = look.map is not None and look.map.nbytes <= MAX_MAP_BYTES
        shape = (int(look.map.shape[0]), int(look.map.shape[1])) if look.map is not None and fits else None
        data = look.map.tobytes() if look.map is not None and fits else b""
        its, epoch = look.picture, self.hello.epoch
        ready = FrameReady(epoch, part, *place, its, verdict, shape, data)
        try:
            if self.channel.send(ready):
                self._handed.append((part, its.sha256, verdict))
            else:
                self.ring.release(*place)
                self._drop("recorder_behind", part)
        except ChannelClosed:
            self._lose()
            self._drop("recorder_absent", part)

    def close(self) -> None:
        """Let go."""
        if self.channel is not None:
            self.channel.close()

    def _drop(self, why: str, part: int) -> None:
        self._count(why, [part], 1)
        self._tell_dropped()

    def _count(self, why: str, more: list[int], count: int) -> None:
        """The first NAMED parts by reason, and how many there are."""
        parts, before = self.dropped.get(why, ([], 0))
        self.dropped[why] = (parts + more)[:NAMED], before + count

    def _tell_dropped(self) -> None:
        try:
            for why, (parts, count) in list(self.dropped.items()):
                message = PicturesDropped(self.hello.epoch, self._next(), why, parts, count)
                if self.channel is None or not self.channel.send(message):
                    return
                self._told.append(message)
                del self.dropped[why]
        except ChannelClosed:
            self._lose()

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _lose(self) -> None:
        """What it had been told and had not on disk is told to the next one."""
        while self._told:
            message = self._told.popleft()
            self._count(message.why, message.parts, message.count)
        if self.channel is not None:
            self.channel.close()
            self.channel = None
            self.ring.release_all()

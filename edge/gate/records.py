"""The gate's side of the ledger: numbers parts, and holds each record until the recorder has it on disk."""

from collections import deque
from typing import Any

from edge.channel import Channel, ChannelClosed, connect
from edge.gate.journal import Journal
from edge.messages import Committed, Hello, Record, RecorderState, Reserve, Reserved, Welcome, Why
from edge.settings import StateFolder

BEHIND = 500  # uncommitted records from which nothing is OK any more: the ledger could not prove it
TOO_MANY = 50_000  # from here the gate stops polling, its heartbeat stops, and the PLC holds the line
FEW = 128  # part numbers left below which the gate takes no more triggers
LOW = 1_000  # part numbers left when the next range is asked for


class Records:
    """A channel to the recorder that survives the recorder."""

    def __init__(self, state: StateFolder, hello: Hello, journal: Journal) -> None:
        self.path, self.hello, self.journal = state.socket("recorder"), hello, journal
        self._left_over = deque(journal.left_over())  # of a gate that died: the recorder gets them before our Hello
        self._given = 0  # how many of them this recorder has
        self._greeted = False
        self.channel: Channel | None = None
        self.welcome: Welcome | None = None  # the first one: where the ledger stood when this gate began
        self.notes: list[Why] = []  # of the recorder, for every page
        self.held: deque[Record] = deque()  # not yet on disk, oldest first
        self.most_held = 0  # since this gate began
        self._unsent: deque[Record] = deque()  # the last of `held`, which this recorder has not been given yet
        self._ranges: deque[tuple[int, int]] = deque()
        self._asked = False
        self._sequence = 0

    @property
    def numbers_left(self) -> int:
        """Part numbers that are durably ours."""
        return sum(last - first + 1 for first, last in self._ranges)

    def next_part(self) -> int:
        """A part number that nobody ever had."""
        first, last = self._ranges.popleft()
        if first < last:
            self._ranges.appendleft((first + 1, last))
        return first

    def add(self, kind: str, part: int | None, body: dict[str, Any]) -> None:
        """Hold one record and send it now if the recorder takes it."""
        self._sequence += 1
        record = Record(self.hello.epoch, self._sequence, kind, part, body)
        self.journal.add(record, [*self._left_over, *self.held])
        self.held.append(record)
        self.most_held = max(self.most_held, len(self.held))
        self._unsent.append(record)
        self._send_held()

    def pump(self) -> None:
        """Connect if need be, hear what is committed, send what is unsent."""
        if self.channel is None:
            self._connect()
        try:
            while self.channel is not None and (message := self.channel.receive()) is not None:
                self._hear(message)
        except ChannelClosed:
            self._lose()
        self._send_held()
        if self._greeted and self.numbers_left < LOW and not self._asked:
            self._asked = self._send(Reserve(self.hello.epoch))

    def _hear(self, message: object) -> None:
        match message:
            case Welcome():
                if self.welcome is None:
                    self._left_over.clear()  # on disk now
                    self.journal.keep_only(self.held)
                self.welcome = self.welcome or message
                self._ranges.append((message.first, message.last))
            case Reserved():
                self._ranges.append((message.first, message.last))
                self._asked = False
            case RecorderState():
                self.notes = message.notes
            case Committed() if message.epoch == self.hello.epoch:
                while self.held and self.held[0].sequence <= message.sequence:
                    self.held.popleft()
                if not self.held:
                    self.journal.clear()

    def _connect(self) -> None:
        self.channel = connect(self.path)
        if self.channel is not None:
            self._unsent = deque(self.held)
            self._asked, self._given, self._greeted = False, 0, False

    def _greet(self) -> None:
        """Left-over records first: the recorder tells where the ledger stands when it hears our Hello."""
        while self._given < len(self._left_over):
            if self.channel is None or not self._send(self._left_over[self._given]):
                return
            self._given += 1
        self._greeted = self._send(self.hello)

    def _send_held(self) -> None:
        if self.channel is not None and not self._greeted:
            self._greet()
        while self._greeted and self._unsent and self.channel is not None and self._send(self._unsent[0]):
            self._unsent.popleft()

    def _send(self, message: Hello | Record | Reserve) -> bool:
        try:
            return self.channel is not None and self.channel.send(message)
        except ChannelClosed:
            self._lose()
            return False

    def _lose(self) -> None:
        self._greeted = False
        if self.channel is not None:
            self.channel.close()
            self.channel = None

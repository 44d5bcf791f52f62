"""The recorder's main loop: takes records and pictures, commits in groups, tells the page.

A commit starts at most GROUP_S after its first record came; its fsync is waited for here and nowhere else.
"""

import select
import time
from collections import OrderedDict

import structlog

from edge.channel import Channel, ChannelClosed, Listener
from edge.messages import (
    VERSION,
    Committed,
    FrameReady,
    FrameRing,
    Hello,
    Live,
    Record,
    RecorderState,
    Release,
    Reserve,
    Reserved,
    Welcome,
    Why,
)
from edge.process import Progress, Stop, new_epoch, start_log
from edge.recorder.archive import Archive
from edge.recorder.disk import Disk
from edge.recorder.ledger import Ledger, utc_now
from edge.ring import RingReader
from edge.settings import StateFolder
from vocabulary import LedgerError

GROUP_S = 0.05  # design §8: a commit starts within 100 ms
RETRY_S = 0.5  # after a failed commit (full disk), with all records kept
LOOK_S = 1.0  # between looks at the disk
BURST = 64  # messages of one peer per round, so that none starves the others
MAPS = 64  # score maps waiting for their row


class Recorder:
    """Everything the recorder holds."""

    def __init__(self, state: StateFolder) -> None:
        station, _ = state.station()
        self.epoch = new_epoch()
        self.log: structlog.typing.FilteringBoundLogger = start_log(state, "recorder", station.name, self.epoch)
        self.ledger = Ledger(state.ledger)
        self.disk = Disk(state.root, station.pictures.min_free_mb, station.pictures.ballast_mb)
        self.archive = Archive(state.pictures, state.live, self.ledger.db, station.pictures, self.disk)
        self.stuck: LedgerError | None = None  # why the last commit failed
        self.notes: list[Why] = []
        self._looked = 0.0
        self.listener = Listener(state.socket("recorder"))
        self.peers: dict[Channel, str] = {}  # role, "" until the Hello
        self.pending: list[Record] = []
        self.due: float | None = None  # when the group is committed
        self.ring: RingReader | None = None
        self.maps: OrderedDict[int, FrameReady] = OrderedDict()
        self.counts = self.ledger.counts()
        self.live_sequence = 0
        self._event("recorder_started", f"recorder started; ledger has {self.ledger.entries} rows")

    def round(self, wait_s: float) -> None:
        """Wait for whoever has something, serve them, commit when due."""
        if self.due is not None:
            wait_s = min(wait_s, max(0.0, self.due - time.monotonic()))
        waiting: list[Listener | Channel] = [self.listener, *self.peers]
        readable, _, _ = select.select(waiting, [], [], wait_s)
        for one in readable:
            if isinstance(one, Channel):
                if one in self.peers:
                    self._serve(one, BURST)
            elif (new := self.listener.accept()) is not None:
                self.peers[new] = ""
        if self.due is not None and time.monotonic() >= self.due:
            self.commit()
        if time.monotonic() - self._looked > LOOK_S:
            self._look()

    def _look(self) -> None:
        """How disk and ledger are; the gate hears of each change."""
        self._looked = time.monotonic()
        self.disk.refill()
        notes = []
        if self.stuck is not None:
            notes.append(Why("ledger_stuck", f"{len(self.pending)} rows wait for the disk: {self.stuck}"))
        if self.disk.low:
            free = f"{self.disk.free_mb()} MB free, pictures are kept from {self.disk.min_free_mb} MB on"
            notes.append(Why("disk_low", f"{free}: free disk space; {self.archive.failed} pictures not kept"))
        if [note.code for note in notes] != [note.code for note in self.notes]:
            self.log.warning("state", notes=[note.text for note in notes])
            self.notes = notes
            for gate in self._peers("gate"):
                self._send(gate, RecorderState(self.epoch, notes))

    def commit(self) -> None:
        """Put the group on disk and tell who waits for it; on failure keep everything and try again soon."""
        group, self.due = self.pending, None
        try:
            new = self.ledger.append((r.kind, r.part, r.epoch, r.sequence, r.body) for r in group)
        except LedgerError as err:
            self.log.error("commit failed", why=str(err), records=len(group))
            self.stuck = err
            self.due = time.monotonic() + (0 if self.disk.release() else RETRY_S)
            return
        self.pending, self.stuck = [], None
        if group:
            for gate in self._peers("gate"):
                self._send(gate, Committed(group[-1].epoch, group[-1].sequence))
        for body in new:
            if body["kind"] == "part":
                self.counts[body["verdict"]] = self.counts.get(body["verdict"], 0) + 1
                self._show(body)

    def close(self) -> None:
        """Commit what is there and let go."""
        for peer in list(self.peers):
            self._serve(peer, 10_000)
        self.commit()
        self.ledger.close()

    def _serve(self, peer: Channel, burst: int) -> None:
        try:
            for _ in range(burst):
                message = peer.receive()
                if message is None:
                    return
                self._take(peer, message)
        except ChannelClosed:
            self._drop(peer)

    def _take(self, peer: Channel, message: object) -> None:
        match message:
            case Hello():
                self._welcome(peer, message)
            case Record():
                self.pending.append(message)
                if self.due is None:
                    self.due = time.monotonic() + GROUP_S
            case Reserve():
                try:
                    self._send(peer, Reserved(*self.ledger.reserve()))
                except LedgerError as err:
                    self.log.error("no part numbers", why=str(err))
                    self._drop(peer)  # it comes again and asks again
            case FrameRing():
                if self.ring is not None:
                    self.ring.close()
                self.ring = RingReader(peer.fds.pop(), message.slots, message.slot_bytes)
            case FrameReady():
                self._picture(peer, message)
            case _:
                self.log.warning("unexpected message", kind=type(message).__name__)

    def _welcome(self, peer: Channel, hello: Hello) -> None:
        if hello.version != VERSION:
            self.log.error("peer speaks another version", role=hello.role, version=hello.version)
            self._drop(peer)
            return
        if hello.role == "gate":
            for old in self._peers("gate"):
                self._serve(
                    old, 100_000
                )  # what a killed gate had sent counts before its successor is told where we stand
                self._drop(old)
            self.commit()
            if self.pending:  # a full disk: where the ledger stands can't be told yet; the gate comes again
                self._drop(peer)
                return
        self.peers[peer] = hello.role
        self.log.info("peer", role=hello.role, pid=hello.pid)
        if hello.role == "gate":
            standing = self.ledger.standing()
            first, last = self.ledger.reserve()
            plc = (
                (
                    standing.plc_epoch,
                    standing.number,
                    standing.parts,
                    standing.missing,
                    standing.confirmed,
                    standing.presented,
                )
                if standing
                else (None, 0, 0, [], None, [])
            )
            self._send(peer, Welcome(first, last, *plc))
            self._send(peer, RecorderState(self.epoch, self.notes))

    def _picture(self, peer: Channel, frame: FrameReady) -> None:
        if self.ring is None:
            return
        shape = (frame.height, frame.width) if frame.channels == 1 else (frame.height, frame.width, frame.channels)
        image = self.ring.view(frame.slot, shape)
        self._send(peer, Release(frame.epoch, frame.slot, frame.generation))
        self.archive.store(image, frame.sha256, frame.verdict, show=bool(self._peers("web")))
        self.maps[frame.part] = frame
        while len(self.maps) > MAPS:
            self.maps.popitem(last=False)

    def _show(self, body: dict[str, object]) -> None:
        part = body["part"]
        frame = self.maps.pop(part, None) if isinstance(part, int) else None
        self.live_sequence += 1
        picture, shape, data = (frame.sha256, frame.map_shape, frame.map_f32) if frame else (None, None, b"")
        live = Live(self.live_sequence, time.monotonic_ns(), body, picture, shape, data, dict(self.counts))
        for web in self._peers("web"):
            self._send(web, live)

    def _event(self, code: str, text: str) -> None:
        body = {"utc": utc_now(), "code": code, "text": text}
        self.ledger.append([("event", None, self.epoch, 1, body)])

    def _peers(self, role: str) -> list[Channel]:
        return [peer for peer, its in self.peers.items() if its == role]

    def _send(self, peer: Channel, message: Committed | Reserved | Release | Live | Welcome | RecorderState) -> None:
        try:
            if not peer.send(message) and not isinstance(message, Live):
                self.log.warning("peer does not read", role=self.peers.get(peer), kind=type(message).__name__)
        except ChannelClosed:
            self._drop(peer)

    def _drop(self, peer: Channel) -> None:
        if self.peers.pop(peer, None) == "engine" and self.ring is not None:
            self.ring.close()
            self.ring = None
        peer.close()


def run(state: StateFolder) -> None:
    """The process `recorder`."""
    stop, progress, recorder = Stop(), Progress(state), Recorder(state)
    while not stop:
        progress.mark("recorder")
        recorder.round(0.2)
    recorder.close()

"""The recorder's main loop: takes records and pictures, commits in groups, tells the page.

A commit starts at most GROUP_S after its first record came; its fsync is waited for here and nowhere else.
"""

import select
import sqlite3
import time
from collections import OrderedDict, deque
from typing import Any

import structlog

from edge.channel import Channel, ChannelClosed, Listener
from edge.messages import (
    VERSION,
    Command,
    Commanded,
    Committed,
    FrameReady,
    FrameRing,
    Hello,
    Live,
    PicturesDropped,
    PicturesHanded,
    PicturesNamed,
    Record,
    RecorderState,
    Release,
    Reserve,
    Reserved,
    Welcome,
    Why,
)
from edge.process import Progress, Stop, new_epoch, start_log
from edge.recorder.archive import KEPT, Archive
from edge.recorder.disk import Disk
from edge.recorder.ledger import Ledger
from edge.recorder.pictures import Done, NotKept, PictureThread
from edge.recorder.recording import Recording
from edge.recorder.scan import Walk
from edge.ring import RingReader
from edge.settings import StateFolder
from vocabulary import LedgerError, Verdict, utc_now

GROUP_S = 0.05  # design §8: a commit starts within 100 ms
GATE_STOPS_S = 3.0  # a gate ends its round and goes; a frozen one is not waited for longer
RETRY_S = 0.5  # after a failed commit (full disk), with all records kept
WALK_S = 0.25  # between looks at kept pictures, when nothing else is to do
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
        self.pictures = PictureThread(self.archive.write)
        self.not_kept = NotKept()
        self.recording = Recording(state.recordings, station.recording)
        self.walk = Walk(state.pictures, self.ledger.db, self.pictures.unfinished)
        self._walked = 0.0
        self.stuck: LedgerError | None = None  # why the last commit failed
        self.notes: list[Why] = []
        self._looked = 0.0
        self.listener = Listener(state.socket("recorder"))
        self.peers: dict[Channel, str] = {}  # role, "" until the Hello
        self.pending: list[Record] = []
        self.due: float | None = None  # when the group is committed
        self.ring: RingReader | None = None
        self.maps: OrderedDict[int, FrameReady] = OrderedDict()
        self._heard = self._naming = (
            0  # sequence of the engine's last word of lost pictures; up to it the next commit has rows
        )
        self._events = 0
        self.counts = self.ledger.counts()
        self.live_sequence = 0
        self.lives: deque[Live] = deque()  # in order; the first may wait for its picture
        self._event("recorder_started", f"recorder started; ledger has {self.ledger.entries} rows")

    def round(self, wait_s: float) -> None:
        """Wait for whoever has something, serve them, commit when due."""
        if self.due is not None:
            wait_s = min(wait_s, max(0.0, self.due - time.monotonic()))
        waiting: list[Listener | Channel | PictureThread] = [self.listener, self.pictures, *self.peers]
        readable, _, _ = select.select(waiting, [], [], wait_s)
        for one in readable:
            if one is self.pictures:
                self._enter(self.pictures.take())
            elif isinstance(one, Channel):
                if one in self.peers:
                    self._serve(one, BURST)
            elif one is self.listener and (new := self.listener.accept()) is not None:
                self.peers[new] = ""
        if self.due is not None and time.monotonic() >= self.due:
            self.commit()
        if time.monotonic() - self._looked > LOOK_S:
            self._look()
        if not readable and self.due is None and time.monotonic() - self._walked > WALK_S:
            self._walk()

    def _look(self) -> None:
        """How disk and ledger are; the gate hears of each change."""
        self._looked = time.monotonic()
        self.disk.refill()
        notes = []
        if self.stuck is not None:
            notes.append(Why("ledger_stuck", f"{len(self.pending)} rows wait for the disk: {self.stuck}"))
        if self.disk.low:
            free = f"{self.disk.free_mb()} MB free, pictures are kept from {self.disk.min_free_mb} MB on"
            notes.append(Why("disk_low", f"{free}: free disk space; {self.not_kept.total} pictures not kept"))
        elif self.not_kept.lately:
            notes.append(Why("pictures_not_kept", f"{self.not_kept.total} pictures not kept since the start"))
        self._tell_not_kept()
        for event in self.recording.happened():
            self._event(event[0], event[1], **event[2])
        for code in sorted(set(self.walk.bad.values())):
            bad = [sha256 for sha256, what in self.walk.bad.items() if what == code]
            notes.append(Why(code, f"{len(bad)} kept pictures, the first is {bad[0][:12]}: `jidoka ledger pictures`"))
        if [note.code for note in notes] != [note.code for note in self.notes]:
            self.log.warning("state", notes=[note.text for note in notes])
            self.notes = notes
            for gate in self.peers_of("gate"):
                self._send(gate, RecorderState(self.epoch, notes))

    def _walk(self) -> None:
        """One kept picture: still there, still what the ledger names?"""
        self._walked = time.monotonic()
        try:
            if (found := self.walk.step()) is not None:
                self._event(found[1], f"kept picture {found[0]} is {found[1].removeprefix('picture_')}")
        except (sqlite3.Error, LedgerError, OSError) as err:
            self.log.error("pictures not checked", why=str(err))

    def commit(self) -> None:
        """Put the group on disk and tell who waits for it; on failure keep everything and try again soon."""
        group, self.due, began_ns = self.pending, None, time.monotonic_ns()
        try:
            new = self.ledger.append((r.kind, r.part, r.epoch, r.sequence, r.body) for r in group)
        except LedgerError as err:
            self.log.error("commit failed", why=str(err), records=len(group))
            self.stuck = err
            self.due = time.monotonic() + (0 if self.disk.release() else RETRY_S)
            return
        self.pending, self.stuck, took_us = [], None, (time.monotonic_ns() - began_ns) // 1000
        for epoch, sequence in {record.epoch: record.sequence for record in group}.items():
            for gate in self.peers_of("gate"):
                self._send(gate, Committed(epoch, sequence))
        if self._naming:
            for engine in self.peers_of("engine"):
                self._send(engine, PicturesNamed(self.epoch, self._naming))
            self._naming = 0
        for body in new:
            if body.get("code") == "alarm_raised":
                self._alarmed(body["key"])
            if body["kind"] == "part":
                self.counts[body["verdict"]] = self.counts.get(body["verdict"], 0) + 1
                self._show(body, took_us)

    def close(self) -> None:
        """Take what was still said, commit, let go."""
        for peer in list(self.peers):
            self._serve(peer, 10_000, to_the_end=True)
        self._enter(self.pictures.close())
        self._tell_not_kept(last=True)
        self.recording.close()
        for event in self.recording.happened():
            self._event(event[0], event[1], **event[2])
        self.commit()
        self.ledger.close()

    def _serve(self, peer: Channel, burst: int, *, to_the_end: bool = False) -> None:
        """Take what this peer has said; a commit that is due comes first, unless all is wanted."""
        try:
            for _ in range(burst):
                if not to_the_end and self.due is not None and time.monotonic() >= self.due:
                    return
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
                self._keep(message)
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
            case PicturesDropped():
                self.not_kept.add(message.why, message.parts, message.count)
                self._heard = message.sequence
            case PicturesHanded():
                self._lost_with(message)
            case Command():
                self._send(peer, self._commanded(message))
            case _:
                self.log.warning("unexpected message", kind=type(message).__name__)

    def _commanded(self, command: Command) -> Commanded:
        """`hold`: a part's pictures go into another retention class. `dump`: the last pictures are written out."""
        done, text = False, f"command {command.what!r}: the recorder knows hold and dump"
        if command.what == "dump":
            refused = self._dump(f"asked for by {command.who}: {command.why}")
            done, text = (
                not refused,
                refused or "the last pictures are being written: the ledger tells when they are there",
            )
        if command.what == "hold":
            try:
                done, text = self._hold(int(command.name), command.value)
            except (ValueError, sqlite3.Error) as err:
                text = f"part {command.name!r}: {err}"
        code = "command_done" if done else "command_refused"
        self._event(code, text, who=command.who, why=command.why, **command.trail())
        return Commanded(command.sequence, done, text)

    def _dump(self, why: str) -> str:
        """Begin to write the last pictures out; why not, or nothing."""
        return self.recording.dump(utc_now().replace(":", "-"), why)

    def _alarmed(self, key: str) -> None:
        """What led to it may be worth keeping."""
        if key in self.recording.settings.on_alarms and (refused := self._dump(f"alarm {key}")):
            self._event("recording_failed", f"the last pictures were not written out: {refused}")

    def _hold(self, part: int, value: str) -> tuple[bool, str]:
        body = self.ledger.part(part)
        if body is None:
            return False, f"part {part}: no such part in the ledger"
        if value not in (*KEPT, ""):
            return False, f"part {part}: class {value!r}: one of {', '.join(KEPT)}, or nothing to release"
        usual = "OK_SAMPLE" if body["verdict"] == Verdict.OK else body["verdict"]
        pictures = [picture["sha256"] for picture in body["pictures"]]
        count = self.archive.hold(pictures, value or usual)
        return count > 0, f"part {part}: {count} of {len(pictures)} pictures are kept, now as {value or usual}"

    def _welcome(self, peer: Channel, hello: Hello) -> None:
        if hello.version != VERSION:
            self.log.error("peer speaks another version", role=hello.role, version=hello.version)
            self._drop(peer)
            return
        if hello.role == "gate":
            for old in self.peers_of("gate"):
                # what a killed gate had sent counts before its successor is told where we stand
                self._serve(old, 100_000, to_the_end=True)
                self._drop(old)
            self.commit()
            if self.pending:  # a full disk: where the ledger stands can't be told yet; the gate comes again
                self._drop(peer)
                return
        if hello.role == "engine":
            self._heard = self._naming = 0
        self.peers[peer] = hello.role
        self.log.info("peer", role=hello.role, pid=hello.pid)
        if hello.role == "gate":
            try:
                self._send(peer, self._standing())
            except LedgerError as err:
                self.log.error("the gate can't be told where the ledger stands", why=str(err))
                self._drop(peer)  # it comes again
                return
            self._send(peer, RecorderState(self.epoch, self.notes))

    def _standing(self) -> Welcome:
        """Where the ledger stands, and numbers for the next parts. Raises LedgerError."""
        its, left = self.ledger.standing(), self.ledger.left_standing()
        first, last = self.ledger.reserve()
        people = left.mode, left.recipe, left.latched
        if its is None:
            return Welcome(first, last, None, 0, 0, [], None, [], [], *people)
        return Welcome(
            first,
            last,
            its.plc_epoch,
            its.number,
            its.parts,
            its.missing,
            its.confirmed,
            its.presented,
            its.belt,
            *people,
        )

    def _picture(self, peer: Channel, frame: FrameReady) -> None:
        if self.ring is None:
            return
        its = frame.picture
        shape = (its.height, its.width) if its.channels == 1 else (its.height, its.width, its.channels)
        image = self.ring.view(frame.slot, shape)
        self._send(peer, Release(frame.epoch, frame.slot, frame.generation))
        show = bool(self.peers_of("web"))
        self.recording.add(frame, image)
        job = self.archive.wanted(frame.part, image, its.sha256, frame.verdict, show=show)
        if job is not None and not self.pictures.put(job) and job.retention is not None:
            self.not_kept.add("recorder_busy", [frame.part])
        self.maps[frame.part] = frame
        while len(self.maps) > MAPS:
            self.maps.popitem(last=False)

    def _lost_with(self, handed: PicturesHanded) -> None:
        """A recorder that was killed had pictures in hand: the parts are named."""
        for part, sha256, verdict in handed.pictures:
            wanted = self.archive.keep(sha256, verdict) is not None and sha256 not in self.pictures.unfinished
            if wanted and not self.archive.path(sha256).exists():
                self.not_kept.add("recorder_died", [part])
        self._heard = handed.sequence

    def _show(self, body: dict[str, object], commit_us: int) -> None:
        part = body["part"]
        frame = self.maps.pop(part, None) if isinstance(part, int) else None
        self.live_sequence += 1
        picture, shape, data = (frame.picture.sha256, frame.map_shape, frame.map_f32) if frame else (None, None, b"")
        lost, now = self.not_kept.total, time.monotonic_ns()
        self.lives.append(Live(self.live_sequence, now, body, picture, shape, data, dict(self.counts), lost, commit_us))
        self._tell_page()

    def _tell_page(self) -> None:
        """Each part when its picture is there."""
        while self.lives and (len(self.lives) > MAPS or self.lives[0].picture not in self.pictures.unfinished):
            live = self.lives.popleft()
            for web in self.peers_of("web"):
                self._send(web, live)

    def _enter(self, written: list[Done]) -> None:
        """Rows for the files that were written."""
        try:
            self.ledger.db.execute("BEGIN IMMEDIATE")
            for done in written:
                self.archive.enter(done)
            self.ledger.db.execute("COMMIT")
            self.archive.clear()
        except (sqlite3.Error, OSError) as err:  # files without rows are found by the walk
            if self.ledger.db.in_transaction:
                self.ledger.db.execute("ROLLBACK")
            self.log.error("rows of pictures not written", why=str(err), pictures=len(written))
        for done in written:
            if done.fault is not None:
                self.not_kept.add(done.fault, [done.job.part])
        self._tell_page()

    def _tell_not_kept(self, *, last: bool = False) -> None:
        """A row of the ledger that names the parts."""
        if (found := self.not_kept.row(last=last)) is not None:
            (count, parts), self._naming = found, self._heard
            reasons = ", ".join(f"{why} ({len(named)} named)" for why, named in parts.items())
            self._event("pictures_not_kept", f"{count} pictures were not kept: {reasons}", count=count, parts=parts)

    def _event(self, code: str, text: str, **more: Any) -> None:
        self._events += 1
        body = {"utc": utc_now(), "code": code, "text": text, **more}
        self._keep(Record(self.epoch, self._events, "event", None, body))

    def _keep(self, record: Record) -> None:
        """For the next commit."""
        self.pending.append(record)
        if self.due is None:
            self.due = time.monotonic() + GROUP_S

    def peers_of(self, role: str) -> list[Channel]:
        """Who said that they are this: gate, engine or web."""
        return [peer for peer, its in self.peers.items() if its == role]

    def _send(
        self,
        peer: Channel,
        message: Committed | Commanded | Reserved | Release | PicturesNamed | Live | Welcome | RecorderState,
    ) -> None:
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


def run(state: StateFolder, progress: Progress) -> None:
    """The process `recorder`."""
    stop, recorder = Stop(), Recorder(state)
    while not stop:
        progress.mark("recorder")
        recorder.round(0.2)
    until = time.monotonic() + GATE_STOPS_S
    while recorder.peers_of("gate") and time.monotonic() < until:  # it was told to stop when we were, and goes first
        recorder.round(0.05)
    recorder.close()

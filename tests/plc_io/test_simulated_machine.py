"""The simulated machine against a vision system that is scripted here, over raw Modbus: whom does it let pass?

Registers are typed from the printed map; nothing of `plc_io` is used on this side of the wire. The last tests
look at the belt alone, in virtual time.
"""

import itertools
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_io.simulate.account import Account, Planned
from plc_io.simulate.belt import Belt
from plc_io.simulate.further import FurtherStage
from plc_io.simulate.registers import Registers
from plc_io.simulate.stage import Stage
from tests.plc_io.raw_modbus import RawModbus

OK, NG, RECHECK, NOT_INSPECTED = 1, 2, 3, 4
READY_AUTO = 1 | 2 | 3 << 8
Row = dict[str, Any]


class Machine:
    """`jidoka plc simulate` as a process."""

    def __init__(self, folder: Path) -> None:
        self.account, self.endpoints = folder / "account.jsonl", folder / "machine.json"
        self.port = 0
        self.popen: subprocess.Popen[str] | None = None

    def start(self, *options: str, parts: int = 6) -> "Machine":
        self.endpoints.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "cli", "plc", "simulate", f"modbus://127.0.0.1:{self.port}", "--json",
            "--account", str(self.account), "--endpoints", str(self.endpoints), "--parts", str(parts),
            "--takt-s", "0.1", "--travel-s", "0.5", "--deadline-ms", "300", "--wait-ready-s", "30", *options,
        ]  # fmt: skip
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 30
        while not self.endpoints.exists():
            assert self.popen.poll() is None, self.popen.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        self.port = int(json.loads(self.endpoints.read_text())["uri"].rpartition(":")[2])
        return self

    def kill(self) -> None:
        assert self.popen is not None
        self.popen.send_signal(signal.SIGKILL)
        self.popen.communicate()

    def summary(self) -> Row:
        assert self.popen is not None
        out, err = self.popen.communicate(timeout=60)
        assert self.popen.returncode == 0, err
        return dict(json.loads(out.splitlines()[-1]))

    def rows(self) -> list[Row]:
        return [json.loads(line) for line in self.account.read_text().splitlines()]


class ScriptedVision:
    """Polls, beats, and answers each trigger with the words that `answer` gives."""

    def __init__(self, port: int, epoch: int = 77) -> None:
        self.wire, self.epoch = RawModbus(port), epoch
        self.beat = self.seen = self.sent = 0
        self.triggers: list[tuple[int, int]] = []  # PLC sequence, part id
        self.confirmations: list[tuple[int, int]] = []  # part id, what
        self._confirmed = 0

    def poll(self) -> list[tuple[int, int, int]]:
        """New triggers: sequence, part id, PLC epoch."""
        self.beat += 1
        self.wire.write(1000, [1, READY_AUTO, self.beat % 65536, 0, self.epoch])
        header = self.wire.read(0, 26)
        epoch, last, confirmed = header[3] * 65536 + header[4], header[7], header[8]
        found = []
        while self.seen < last:
            entry = self.wire.read(40 + self.seen % 32 * 7, 7)
            self.seen += 1
            if entry[0] == self.seen == entry[6]:
                found.append((entry[0], entry[1] * 65536 + entry[2], epoch))
        while self._confirmed < confirmed:
            entry = self.wire.read(264 + self._confirmed % 32 * 7, 7)
            self._confirmed += 1
            self.confirmations.append((entry[1] * 65536 + entry[2], entry[3]))
        self.triggers += [(seq, part) for seq, part, _ in found]
        return found

    def send(self, seq: int, part: int, epoch: int, verdict: int, *, complement: int | None = None) -> None:
        self.sent += 1
        inverse = 65535 - verdict if complement is None else complement
        entry = [self.sent, epoch >> 16, epoch & 65535, seq, part >> 16, part & 65535, verdict, inverse, 0, 0, 0]
        at = 1020 + (self.sent - 1) % 8 * 12
        self.wire.write(at + 1, [*entry[1:], self.sent])
        self.wire.write(at, [self.sent])

    def run(self, machine: Machine, on_trigger: Callable[[int, int, int], None]) -> None:
        """Until the machine is done and has closed the connection."""
        assert machine.popen is not None
        try:
            while machine.popen.poll() is None:
                for seq, part, epoch in self.poll():
                    on_trigger(seq, part, epoch)
                time.sleep(0.002)
        except ConnectionError:
            machine.popen.wait(10)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    its = Machine(tmp_path)
    yield its
    if its.popen is not None:
        with its.popen:  # closes its pipes
            its.popen.kill()


def test_only_a_matching_ok_passes(machine: Machine) -> None:
    """Right, NG, RECHECK, NOT_INSPECTED, silence, wrong complement, wrong part, wrong epoch, verdict 0."""
    machine.start(parts=9)
    vision = ScriptedVision(machine.port)

    def answer(seq: int, part: int, epoch: int) -> None:
        match part:
            case 1:
                vision.send(seq, part, epoch, OK)
            case 2 | 3 | 4:
                vision.send(seq, part, epoch, part)
            case 6:
                vision.send(seq, part, epoch, OK, complement=OK)
            case 7:
                vision.send(seq, part + 100, epoch, OK)
            case 8:
                vision.send(seq, part, epoch ^ 1, OK)
            case 9:
                vision.send(seq, part, epoch, 0)

    vision.run(machine, answer)
    summary, rows = machine.summary(), machine.rows()
    assert [row["routed"] for row in rows] == ["passed"] + ["rejected"] * 8
    assert [row["verdict"] for row in rows] == ["OK", "NG", "RECHECK", "NOT_INSPECTED"] + [None] * 5
    assert (summary["refused"], summary["timeouts"], summary["triggers"]) == (4, 5, 9)
    assert vision.confirmations[:1] == [(1, 2)]
    assert all(what == 1 for _, what in vision.confirmations[1:])


def test_a_recheck_lane_takes_recheck_and_nothing_else(machine: Machine) -> None:
    machine.start("--recheck-lane", parts=4)
    vision = ScriptedVision(machine.port)
    vision.run(machine, lambda seq, part, epoch: vision.send(seq, part, epoch, part))
    assert machine.summary()["routed"] == {"passed": 1, "rejected": 2, "recheck": 1, "hold": 0}
    assert vision.confirmations[:3] == [(1, 2), (2, 1), (3, 3)]


def test_a_late_ok_is_counted_and_never_applied(machine: Machine) -> None:
    machine.start("--deadline-ms", "50", parts=3)
    vision = ScriptedVision(machine.port)
    owed: list[tuple[int, int, int, float]] = []
    answered: set[int] = set()

    def answer(seq: int, part: int, epoch: int) -> None:
        if part == 2:
            vision.send(seq, part, epoch, OK)
        else:
            owed.append((seq, part, epoch, time.monotonic() + 0.2))

    def pay() -> None:
        for seq, part, epoch, due in owed:
            if part not in answered and time.monotonic() > due:
                answered.add(part)
                vision.send(seq, part, epoch, OK)

    original = vision.poll

    def poll_and_pay() -> list[tuple[int, int, int]]:
        pay()
        return original()

    vision.poll = poll_and_pay  # type: ignore[method-assign]
    vision.run(machine, answer)
    rows = machine.rows()
    assert [row["overdue"] for row in rows][::2] == [True, True]
    assert [row["routed"] for row in rows][::2] == ["rejected", "rejected"]
    assert rows[0]["refused"] == ["late OK"]


def test_a_second_result_changes_nothing(machine: Machine) -> None:
    machine.start(parts=2)
    vision = ScriptedVision(machine.port)

    def answer(seq: int, part: int, epoch: int) -> None:
        vision.send(seq, part, epoch, NG)
        vision.send(seq, part, epoch, OK)

    vision.run(machine, answer)
    assert machine.summary()["duplicates"] == 2
    assert [row["routed"] for row in machine.rows()] == ["rejected", "rejected"]


def test_a_machine_killed_and_back_knows_its_parts(machine: Machine) -> None:
    """The parts that were on the belt are rejected in its account; counting goes on, under a new epoch."""
    machine.start(parts=12)
    vision = ScriptedVision(machine.port)
    while len(vision.triggers) < 5:
        for seq, part, epoch in vision.poll():
            vision.send(seq, part, epoch, OK)
    machine.kill()
    machine.start(parts=12)
    back = ScriptedVision(machine.port, epoch=78)
    back.run(machine, lambda seq, part, epoch: back.send(seq, part, epoch, OK))
    rows = machine.rows()
    assert sorted(row["part"] for row in rows) == list(range(1, 13))
    assert len({row["plc_epoch"] for row in rows}) == 2
    lost = [row for row in rows if "machine was restarted" in row["why"]]
    assert lost
    assert all(row["routed"] == "rejected" for row in lost)


def test_scripted_faults_happen(machine: Machine) -> None:
    machine.start("--fault", "skip@2:3", "--fault", "stop@4:0.5", "--fault", "restart@6", parts=7)
    vision = ScriptedVision(machine.port)
    epochs: list[int] = []

    def answer(seq: int, part: int, epoch: int) -> None:
        epochs.append(epoch)

    vision.run(machine, answer)
    rows = machine.rows()
    assert [row["number"] for row in sorted(rows, key=lambda row: row["part"])] == [1, 5, 6, 7, 8, 1, 2]
    assert machine.summary()["plc_epochs"] == 2
    assert sum("PLC was restarted" in row["why"] for row in rows) >= 1


class SlowStage:
    """What the camera sees; laying a picture out takes `delays_s` in turn, by the time that the test sets."""

    def __init__(self, delays_s: list[float]) -> None:
        self.delays_s, self.now, self.there_at = delays_s, 0.0, 0.0
        self.shows = b""

    def prepare(self, png: bytes) -> None:
        """No camera sees it."""

    def show(self, png: bytes) -> None:
        self.shows = png  # at once gone is what was there before
        self.there_at = self.now + self.delays_s[int(png) % len(self.delays_s)]

    @property
    def shown(self) -> bool:
        return self.now >= self.there_at


@given(
    delays_s=st.lists(st.floats(0, 0.35), min_size=1, max_size=7),
    scans_s=st.lists(st.sampled_from([0.002] * 8 + [0.01, 0.07, 0.15, 0.3]), min_size=1, max_size=40),
    jitter=st.sampled_from([0.0, 0.2]),
)
def test_a_part_stays_before_the_camera_for_half_the_least_spacing_after_its_trigger(
    delays_s: list[float], scans_s: list[float], jitter: float
) -> None:
    """However late the scan comes and however long the next picture takes: an exposure in that time sees its part."""
    stage, takt_s = SlowStage(delays_s), 0.1
    plan = [Planned(str(k), "ok", "", str(k).encode()) for k in range(1, 31)]
    with tempfile.TemporaryDirectory() as folder:
        account = Account(Path(folder) / "account")
        belt = Belt(
            Registers(), account, plan, cast("Stage", stage), None, parts=30, takt_s=takt_s, jitter=jitter,
            travel_s=0.3, deadline_s=0.08, faults=[], seed=1, observe_key=False,
        )  # fmt: skip
        belt.running = True
        triggered, at = 0, 0.0
        for elapsed in itertools.cycle(scans_s):
            stage.now += elapsed
            belt.scan(stage.now, elapsed)
            if account.parts != triggered:
                triggered, at = account.parts, stage.now
                assert stage.shown
            if triggered and stage.now - at < takt_s * (1 - jitter) / 2 - 1e-6:
                assert stage.shows == str(triggered).encode()
            if belt.done:
                break
        account.close()


@given(
    delays_s=st.lists(st.floats(0, 0.35), min_size=1, max_size=7),
    scans_s=st.lists(st.sampled_from([0.002] * 8 + [0.01, 0.07, 0.15, 0.3]), min_size=1, max_size=40),
    jitter=st.sampled_from([0.0, 0.2]),
    behind_s=st.sampled_from([0.04, 0.17, 0.31]),
)
def test_a_part_is_before_the_camera_further_along_when_the_belt_says_so(
    delays_s: list[float], scans_s: list[float], jitter: float, behind_s: float
) -> None:
    """For half the least spacing: however late the scan comes and however long the picture takes, the belt waits."""
    first, stage, takt_s = SlowStage([0.0]), SlowStage(delays_s), 0.1
    plan = [Planned(str(k), "ok", "", str(k).encode()) for k in range(1, 31)]
    with tempfile.TemporaryDirectory() as folder:
        account = Account(Path(folder) / "account")
        belt = Belt(
            Registers(), account, plan, cast("Stage", first), None, parts=30, takt_s=takt_s, jitter=jitter,
            travel_s=behind_s + 0.3, deadline_s=0.08, faults=[], seed=1, observe_key=False,
        )  # fmt: skip
        belt.further = [FurtherStage(behind_s, cast("Stage", stage))]
        belt.running = True
        arrivals: list[float] = []
        seen = set()
        for elapsed in itertools.cycle(scans_s):
            first.now = stage.now = stage.now + elapsed
            belt.scan(stage.now, elapsed)
            if account.parts > len(arrivals):
                arrivals.append(belt.position + behind_s)
            here = [k for k, at in enumerate(arrivals, 1) if 0 <= belt.position - at < takt_s * (1 - jitter) / 2 - 1e-6]
            for k in here:
                assert stage.shown
                assert stage.shows == str(k).encode()
                seen.add(k)
            if belt.done:
                break
        account.close()
    assert seen or max(scans_s) > 0.01


def test_a_prepared_picture_is_not_before_the_camera_until_it_is_shown(tmp_path: Path) -> None:
    """What is shown is what was asked for, whatever had been prepared."""
    stage = Stage(tmp_path / "stage")

    def seen() -> set[bytes]:
        assert [path.name for path in sorted(stage.folder.iterdir())] == ["0.png", "1.png"]
        return {path.read_bytes() for path in stage.folder.iterdir()}

    for prepared, asked in ((b"1", b"1"), (b"3", b"2"), (b"3", b"3"), (b"3", b"3")):
        stage.prepare(prepared)
        stage.show(asked)
        while not stage.shown:
            time.sleep(0.001)
        assert seen() == {asked}
    stage.prepare(b"4")
    stage.close()
    assert seen() == {b"3"}


def test_with_jitter_the_belt_keeps_its_mean_takt_over_scans_that_come_late(tmp_path: Path) -> None:
    """20 parts a second are 20, also where each is noticed by the next scan only; none comes nearer than the least."""
    account = Account(tmp_path / "account")
    belt = Belt(
        Registers(), account, [], None, None, parts=1000, takt_s=0.05, jitter=0.1, travel_s=0.3, deadline_s=0.08,
        faults=[], seed=1, observe_key=False,
    )  # fmt: skip
    belt.running = True
    now, seen, at = 0.0, 0, []
    while not belt.done:
        now += 0.0023
        belt.scan(now, 0.0023)
        if account.parts != seen:
            seen = account.parts
            at.append(now)
    account.close()
    assert min(later - earlier for earlier, later in itertools.pairwise(at)) >= 0.045 - 1e-9
    assert (at[-1] - at[0]) / (len(at) - 1) == pytest.approx(0.05, rel=0.005)


def test_wrong_fault_and_taken_port_are_one_line(machine: Machine, tmp_path: Path) -> None:
    machine.start(parts=1)
    for options, said in (
        ([f"modbus://127.0.0.1:{machine.port}"], "choose another port"),
        (["modbus://127.0.0.1:0", "--fault", "explode@3"], "one of swap"),
        (["opcua://127.0.0.1:0"], "modbus://host:port"),
        (["modbus://127.0.0.1:0", "--plan", str(tmp_path / "no.csv")], "dataset.csv"),
    ):
        command = [sys.executable, "-m", "cli", "plc", "simulate", *options, "--account", str(tmp_path / "a")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr

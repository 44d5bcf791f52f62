"""Whatever is killed, cut off or full: triggers = verdicts = rows = the machine's account, and nothing unknown passes.

`make torture` runs the long form (TORTURE_KILLS=200); `make test` a short one. Each prints its seed.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.channel import Channel, ChannelClosed, connect
from edge.command import audit_rows
from edge.messages import Hello, Live
from edge.recorder.scan import check_pictures
from edge.recorder.verify import part_rows, read_account, reconcile, verify
from edge.settings import StateFolder
from tests.line.conftest import JIDOKA, LATE, LineUnderTest, wait_until

KILLS = int(os.environ.get("TORTURE_KILLS", "12"))
MOST_LOST = 4  # parts at 0.15 s within a commit's 50 ms, its fsync and a busy test machine
SEED = int(os.environ.get("TORTURE_SEED", "1"))
Row = dict[str, Any]


def judged(line: LineUnderTest, parts: int) -> bool:
    """Most of the last parts were inspected: a busy machine may cost single ones."""
    return sum(row["verdict"] in ("OK", "NG") for row in read_account(line.account)[-parts:]) >= parts // 2


def holds(line: LineUnderTest, result: Row) -> None:
    """The invariants."""
    account, rows = read_account(line.account), line.rows()
    assert result["problems"] == []
    assert result["triggers"] == result["verdicts"] == result["ledger_rows"] == len(account)
    assert len({(row["plc"]["epoch"], row["plc"]["number"]) for row in rows}) == len(rows)
    cleared = {row["part"] for row in account if row["routed"] == "passed"}
    said_ok = {row["plc"]["part_id"] for row in rows if row["verdict"] == "OK"}
    assert cleared <= said_ok
    assert verify(line.state.ledger)["parts"] == len(rows)
    assert all(row["reasons"] for row in rows if row["verdict"] == "NOT_INSPECTED")


def test_processes_killed_and_frozen_at_random(line: LineUnderTest) -> None:
    chance = random.Random(SEED)
    print(f"TORTURE_SEED={SEED} TORTURE_KILLS={KILLS}")
    line.start_machine(1_000_000, "--reset-after-s", "0.5")
    line.start_station()
    line.wait_for_parts(3)
    killed = dict.fromkeys(["gate", "engine", "recorder", "web", "supervisor", "machine"], 0)
    while sum(killed.values()) < KILLS:
        time.sleep(chance.uniform(0.05, 2.0))
        if chance.random() < 0.3:
            freeze(line, chance.choice(["gate", "engine", "recorder", "web"]), chance.uniform(0.01, 1.5))
        least = min(killed.values())
        who = chance.choice([name for name, times in killed.items() if times <= least + 1])
        killed[who] += kill(line, who, wait_for_vision=chance.random() < 0.5)
    print(f"SIGKILLs: {killed}")
    assert max(killed.values()) <= min(killed.values()) + 2
    seen = len(read_account(line.account))
    line.wait_for_parts(seen + 60)  # longer than the longest pause before a restart
    result = line.end_feeding()
    holds(line, result)
    assert line.inspects_again()


def kill(line: LineUnderTest, who: str, *, wait_for_vision: bool) -> bool:
    """SIGKILL; True: it was alive and is dead now. A machine or supervisor is started again, as systemd does."""
    if who == "machine":
        line.restart_machine(wait_for_vision=wait_for_vision)
        return True
    if who == "supervisor":
        assert line.station is not None
        line.station.kill()
        line.station.communicate()
        assert line.station.returncode == -signal.SIGKILL
        line.launch()
        return True
    try:
        pid = line.pid(who)
        if not alive(pid):
            return False
        os.kill(pid, signal.SIGKILL)
    except (KeyError, FileNotFoundError, ProcessLookupError):
        return False  # dead already
    wait_until(lambda: not alive(pid), f"{who} to die")
    return True


def freeze(line: LineUnderTest, who: str, seconds: float) -> None:
    with contextlib.suppress(KeyError, FileNotFoundError, ProcessLookupError):
        pid = line.pid(who)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)


def alive(pid: int) -> bool:
    """Not even a zombie, which nobody has waited for yet."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_pictures_first_and_never_the_inspection(line: LineUnderTest, small_disk: Path) -> None:
    line.state = StateFolder(small_disk / "state")
    line.start_machine(1_000_000)
    line.start_station(pictures={"min_free_mb": 2, "ballast_mb": 1, "keep_ok_share": 1.0})
    line.wait_for_parts(10)
    kept = len(list(line.state.pictures.rglob("*.png")))
    assert kept > 0
    filler = small_disk / "filler"
    with filler.open("wb") as file:  # leaves less than the watermark
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free - 1_500_000)
    wait_until(lambda: notes(line) == ["disk_low"], "the recorder to see the low disk")
    before = len(list(line.state.pictures.rglob("*.png")))
    seen = len(read_account(line.account))
    line.wait_for_parts(seen + 10)
    assert len(list(line.state.pictures.rglob("*.png"))) == before
    assert judged(line, 8)
    last = os.open(small_disk / "last", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):  # until not one byte is left
        while True:
            os.write(last, b"\0" * 4096)
    os.close(last)
    wait_until(lambda: not (line.state.root / "ballast").exists(), "the ballast to be given up")
    seen = len(read_account(line.account))
    line.wait_for_parts(seen + 10)
    assert judged(line, 8)
    filler.unlink()
    wait_until(lambda: notes(line) == [], "the recorder to be well again")
    result = line.end_feeding()
    holds(line, result)


def notes(line: LineUnderTest) -> list[str]:
    """The recorder's notes as the gate shows them to every page."""
    peer = connect(line.state.socket("gate"))
    if peer is None:
        return ["no gate"]
    peer.send(Hello("web", 1, os.getpid()))
    found = ["nothing heard"]
    until = time.monotonic() + 2
    while time.monotonic() < until and found == ["nothing heard"]:
        message = peer.receive()
        if message is None:
            time.sleep(0.01)
        else:
            found = [why.code for why in message.banner if why.code in ("disk_low", "ledger_stuck")]  # type: ignore[union-attr]
    peer.close()
    return found


def shim(folder: Path, name: str) -> str:
    """A library for LD_PRELOAD, built from `peers/`."""
    program, source = folder / f"{name}.so", Path(__file__).parent / "peers" / f"{name}.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", program, source, "-ldl"], check=True)
    return str(program)


def sync_all(folder: Path) -> None:
    """As if everything had been on the disk for long. For the shim, in a process of its own."""
    code = "import os, sys, pathlib\nfor path in pathlib.Path(sys.argv[1]).rglob('*'):\n"
    code += " fd = os.open(path, os.O_RDONLY)\n os.fsync(fd)\n os.close(fd)"
    subprocess.run([sys.executable, "-c", code, folder], check=True)


def test_after_a_power_cut_all_that_was_announced_is_there(
    line: LineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not synced is gone: rows, pictures, audit trail. The line goes on: it finds its tail, counts agree."""
    after = line.folder / "after"
    line.start_machine(1_000_000)
    line.write_station(pictures={"keep_ok_share": 1.0})
    monkeypatch.setenv("LD_PRELOAD", shim(line.folder, "power_cut"))
    monkeypatch.setenv("POWER_CUT_FROM", str(line.state.root))
    monkeypatch.setenv("POWER_CUT_TO", str(after))
    sync_all(line.state.root)
    line.launch()
    line.wait_for_parts(3)
    announced: list[int] = []
    listen(line, announced, parts=12)
    held = next(row["part"] for row in line.rows() if row["verdict"] == "NG" and row["part"] in announced)
    asked = [*JIDOKA, "station", "hold", str(held), "--why", "show", "--who", "qe", "--state", str(line.state.root)]
    subprocess.run(asked, check=True, capture_output=True)
    seen = len(read_account(line.account))
    line.wait_for_parts(seen + SEED % 5)
    monkeypatch.delenv("LD_PRELOAD")
    assert line.station is not None
    pids = [line.pid(name) for name in ("gate", "engine", "recorder", "web")]
    for pid in [line.station.pid, *pids]:
        os.kill(pid, signal.SIGKILL)
    line.station.communicate()
    line.state.root.rename(line.folder / "as it was in memory")
    after.rename(line.state.root)
    on_disk = part_rows(line.state.ledger)
    assert set(announced) <= {row["part"] for row in on_disk}
    pictures = check_pictures(line.state.root)  # each picture that the ledger's table names is there, and is it
    assert (pictures["faults"], pictures["classes"].get("HELD")) == ([], 1)
    assert pictures["pictures"] >= 8
    trail = audit_rows(line.state)
    assert [row["what"] for row in trail["rows"] if row["who"] == "qe"] == ["hold", "outcome"]
    line.launch()
    seen = len(read_account(line.account))
    line.wait_for_parts(seen + 40)  # a start takes some of them
    assert line.machine is not None
    line.machine.send_signal(signal.SIGTERM)
    line.machine.communicate()
    time.sleep(0.3)
    line.station.send_signal(signal.SIGTERM)
    line.station.communicate()
    line.machine = line.station = None
    result = reconcile(line.state.ledger, line.account)
    tail = [problem for problem in result["problems"] if "NOT_INSPECTED" in problem]
    assert result["problems"] == tail  # only: the PLC took a verdict whose row was not on disk yet
    newest = max(row["plc"]["parts"] for row in on_disk)
    assert all(newest < int(problem.split()[1]) <= newest + MOST_LOST for problem in tail)
    assert result["triggers"] == result["ledger_rows"]
    pictures = check_pictures(line.state.root)
    assert (pictures["faults"], pictures["orphans"]) == ([], [])  # files whose row was lost are taken back
    assert line.inspects_again()


def listen(line: LineUnderTest, announced: list[int], parts: int) -> None:
    """As a page does: the recorder announces a part once its row is committed."""
    channel: Channel | None = wait_until(lambda: connect(line.state.socket("recorder")), "the recorder")
    assert channel is not None
    channel.send(Hello("web", 1, os.getpid()))
    until = time.monotonic() + 30
    while len(announced) < parts and time.monotonic() < until:
        try:
            message = channel.receive()
        except ChannelClosed:
            break
        if isinstance(message, Live):
            announced.append(message.body["part"])
        elif message is None:
            time.sleep(0.001)
    channel.close()
    assert len(announced) >= parts


def test_a_disk_that_fails_for_a_while_costs_no_row(line: LineUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = line.folder / "disk is bad"
    monkeypatch.setenv("LD_PRELOAD", shim(line.folder, "bad_disk"))
    monkeypatch.setenv("BAD_DISK_SWITCH", str(switch))
    monkeypatch.setenv("BAD_DISK_FROM", str(line.state.root))
    line.start_machine(1_000_000)
    line.start_station()
    monkeypatch.delenv("LD_PRELOAD")
    line.wait_for_parts(6)
    for _ in range(2):
        switch.touch()
        wait_until(lambda: notes(line) == ["ledger_stuck"], "the gate to hear of the bad disk")
        seen = len(read_account(line.account))
        line.wait_for_parts(seen + 8)
        switch.unlink()
        wait_until(lambda: notes(line) == [], "the recorder to be well again")
        line.wait_for_parts(seen + 14)
    result = line.end_feeding()
    holds(line, result)
    assert set(result["not_inspected"]) <= LATE


def test_the_time_of_day_may_jump_a_day_either_way(line: LineUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLOCK_REALTIME of the station is moved; rows keep their order, deadlines do not notice."""
    offset = line.folder / "offset"
    offset.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", shim(line.folder, "false_clock"))
    monkeypatch.setenv("FALSE_CLOCK", str(offset))
    line.start_machine(1_000_000)
    line.start_station()
    monkeypatch.delenv("LD_PRELOAD")
    for jump in ("86400", "-86400", "0"):
        seen = len(read_account(line.account)) if line.account.exists() else 0
        line.wait_for_parts(seen + 8)
        offset.write_text(jump)
    result = line.end_feeding()
    holds(line, result)
    assert set(result["not_inspected"]) <= LATE
    days = {row["utc"][:10] for row in line.rows()}
    assert len(days) == 3


def test_busy_neighbours_cost_no_invariant(line: LineUnderTest) -> None:
    """Four processes that want both cores, each with a cache's worth of memory that it touches again and again."""
    hog = "x = bytearray(64_000_000)\nwhile True:\n    for k in range(0, len(x), 4096): x[k] = 1"
    busy = [subprocess.Popen([sys.executable, "-c", hog]) for _ in range(4)]
    try:
        line.start_machine(60)
        line.start_station()
        result = line.finish()
    finally:
        for one in busy:
            one.kill()
            one.wait()
    holds(line, result)
    assert result["triggers"] == 60

"""What the station leans on stops, hangs or crawls: recorder and page, camera, PLC, the package file, the time zone.

TORTURE_STOPPED_S says how long recorder and page stand still; `make torture` takes ten minutes.
"""

import contextlib
import datetime
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.gate.records import BEHIND
from edge.recorder.verify import read_account
from tests.line.conftest import LATE, LineUnderTest, status, wait_until
from tests.torture.test_torture import holds, judged, shim

STOPPED_S = float(os.environ.get("TORTURE_STOPPED_S", "3"))
STOPPED_TAKT_S = float(os.environ.get("TORTURE_TAKT_S", "0.15"))


def seen(line: LineUnderTest) -> int:
    return len(read_account(line.account)) if line.account.exists() else 0


def more_parts(line: LineUnderTest, count: int) -> None:
    line.wait_for_parts(seen(line) + count)


def unmet(line: LineUnderTest) -> set[str]:
    """Why the station is not ready, by code."""
    return {why["code"] for why in status(line)["unmet"]}


def test_recorder_and_page_that_stand_still_cost_no_row(line: LineUnderTest) -> None:
    """Each life that the watchdog begins is stopped as well. A picture that found no place is named by its part."""
    cycle = {"takt_s": STOPPED_TAKT_S, "deadline_ms": STOPPED_TAKT_S * 930, "exposure_window_ms": STOPPED_TAKT_S * 470}
    line.start_machine(1_000_000, takt_s=STOPPED_TAKT_S)
    line.start_station(cycle | {"least_spacing_counts": int(STOPPED_TAKT_S * 1000)})
    line.wait_for_parts(3)
    stopped: set[int] = set()
    until = time.monotonic() + STOPPED_S
    while time.monotonic() < until:
        for name in ("recorder", "web"):
            with contextlib.suppress(KeyError, ProcessLookupError):
                if (pid := line.pid(name)) not in stopped:
                    os.kill(pid, signal.SIGSTOP)
                    stopped.add(pid)
        time.sleep(0.02)
    on_disk = len(line.rows())
    held = seen(line) - on_disk
    assert held > min(5, STOPPED_S / STOPPED_TAKT_S / 3)
    if STOPPED_S / STOPPED_TAKT_S > 4 * BEHIND:
        assert held > BEHIND  # beyond what a gate may hold while it says OK
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: len(line.rows()) >= seen(line) - 5, "the ledger to catch up", 60)
    more_parts(line, 20)
    result = line.end_feeding()
    holds(line, result)
    assert line.inspects_again()
    told = line.events("pictures_not_kept")
    named = {part for row in told for parts in row["parts"].values() for part in parts}
    count = sum(row["count"] for row in told)
    unkept = {row["part"] for row in line.rows() if row["verdict"] == "NG" and not kept(line, row)}
    assert unkept <= named if len(named) == count else len(unkept) <= count


def kept(line: LineUnderTest, row: dict[str, Any]) -> bool:
    names = [picture["sha256"] for picture in row["pictures"]]
    return all((line.state.pictures / name[:2] / f"{name}.png").is_file() for name in names)


@pytest.fixture
def camera(line: LineUnderTest) -> Path:
    """The folder the camera looks at: a link to the stage, that can be pulled and put elsewhere."""
    link = line.folder / "view"
    link.symlink_to(line.stage)
    line.start_machine(1_000_000)
    line.start_station(cameras=[{"name": "top", "uri": f"folder:{link}"}])
    line.wait_for_parts(5)
    return link


def look_at(link: Path, folder: Path) -> None:
    new = link.with_name("view.new")
    new.symlink_to(folder)
    new.replace(link)


def test_a_camera_pulled_and_plugged_in_again(line: LineUnderTest, camera: Path) -> None:
    for _ in range(2):
        camera.unlink()
        wait_until(lambda: unmet(line) & {"camera_not_ready"}, "the station to see the camera lost")
        more_parts(line, 8)
        assert not judged(line, 4)
        camera.symlink_to(line.stage)
        wait_until(lambda: not unmet(line), "the station to be ready again")
        more_parts(line, 12)
        assert judged(line, 6)
    holds(line, line.end_feeding())


class Pipe:
    """A picture file that gives its content only after a while, or (`after_s` None) never."""

    def __init__(self, line: LineUnderTest, after_s: float | None) -> None:
        self.folder = line.folder / f"pipe {after_s}"
        self.folder.mkdir()
        self.path, self.stage, self.after_s = self.folder / "part.png", line.stage, after_s
        os.mkfifo(self.path)
        self.done = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        if after_s is not None:
            self.thread.start()

    def _serve(self) -> None:
        assert self.after_s is not None
        while not self.done:
            with contextlib.suppress(OSError), self.path.open("wb") as out:  # opens when the camera does
                exposed = next(iter(self.stage.glob("*.png"))).read_bytes()
                time.sleep(self.after_s)
                out.write(exposed)

    def close(self) -> None:
        self.done = True
        with contextlib.suppress(OSError):
            os.close(os.open(self.path, os.O_RDWR | os.O_NONBLOCK))


@contextlib.contextmanager
def pipe(line: LineUnderTest, after_s: float | None) -> Iterator[Pipe]:
    one = Pipe(line, after_s)
    yield one
    one.close()


def test_a_camera_that_crawls_costs_its_parts_and_no_other(line: LineUnderTest, camera: Path) -> None:
    with pipe(line, 0.25) as slow:
        look_at(camera, slow.folder)
        more_parts(line, 14)
        assert not judged(line, 6)
        look_at(camera, line.stage)
        more_parts(line, 14)
    assert judged(line, 8)
    holds(line, line.end_feeding())


def test_a_camera_that_hangs_inside_its_driver_is_ended_by_the_watchdog(line: LineUnderTest, camera: Path) -> None:
    engine = line.pid("engine")
    with pipe(line, None) as hung:
        look_at(camera, hung.folder)
        wait_until(lambda: "engine_silent" in unmet(line), "the gate to see the engine hang")
        look_at(camera, line.stage)
        more_parts(line, 6)
        assert not judged(line, 4)
        wait_until(lambda: line.endpoints().get("engine", {}).get("pid", engine) != engine, "another engine")
        wait_until(lambda: not unmet(line), "the station to be ready again")
    more_parts(line, 14)
    assert judged(line, 6)
    holds(line, line.end_feeding())


def test_a_plc_that_hangs_for_less_and_more_than_the_heartbeat_limit(line: LineUnderTest) -> None:
    line.start_machine(1_000_000)
    line.start_station()
    line.wait_for_parts(5)
    assert line.machine is not None
    for pause_s in (0.1, 0.3, 2.0):
        line.machine.send_signal(signal.SIGSTOP)
        time.sleep(pause_s)
        if pause_s > 1:
            assert unmet(line) & {"plc_heartbeat", "plc_lost"}
        line.machine.send_signal(signal.SIGCONT)
        wait_until(lambda: not unmet(line), "the station to be ready again")
        more_parts(line, 14)
        assert judged(line, 8)
    for _ in range(60):  # a PLC that answers only every other 30 ms
        line.machine.send_signal(signal.SIGSTOP)
        time.sleep(0.03)
        line.machine.send_signal(signal.SIGCONT)
        time.sleep(0.03)
    more_parts(line, 14)
    assert judged(line, 8)
    holds(line, line.end_feeding())


def test_a_package_harmed_while_the_station_runs(line: LineUnderTest) -> None:
    """The engine that has it goes on. One that starts meanwhile takes the last good copy, and the file is named."""
    package = line.folder / "plate.jdk"
    package.write_bytes((line.taught / "plate.jdk").read_bytes())
    whole = package.read_bytes()
    tools = [{"camera": "top", "package": str(package)}]
    line.start_machine(1_000_000)
    line.start_station(extra={"tools": tools})
    line.wait_for_parts(5)
    package.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    more_parts(line, 10)
    assert judged(line, 8)
    line.kill("engine")
    wait_until(lambda: "package_kept" in [why["code"] for why in status(line)["banner"]], "the banner to say so")
    assert "plate.jdk" in str(status(line)["banner"])
    more_parts(line, 14)
    assert judged(line, 6)
    used = {tool["package"] for row in line.rows() for tool in row["tools"]}
    assert len(used) == 1  # the same content address before and after
    package.write_bytes(whole)
    line.kill("engine")
    wait_until(lambda: "package_kept" not in [why["code"] for why in status(line)["banner"]], "the banner to go")
    holds(line, line.end_feeding())


def test_a_package_and_its_copy_harmed_leave_nothing_to_judge_by(line: LineUnderTest) -> None:
    package = line.folder / "plate.jdk"
    package.write_bytes((line.taught / "plate.jdk").read_bytes())
    whole = package.read_bytes()
    line.start_machine(1_000_000)
    line.start_station(extra={"tools": [{"camera": "top", "package": str(package)}]})
    line.wait_for_parts(5)
    (copy,) = (line.state.packages / "good").glob("*.jdk")
    for path in (package, copy):
        path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    line.kill("engine")
    log = line.state.logs / "engine.err"
    wait_until(lambda: log.exists() and ".jdk" in log.read_text(), "the engine to refuse both")
    more_parts(line, 8)
    assert not judged(line, 4)
    package.write_bytes(whole)
    wait_until(lambda: not unmet(line), "the station to be ready again")
    more_parts(line, 14)
    assert judged(line, 6)
    holds(line, line.end_feeding())


def test_the_end_of_summer_time_doubles_no_hour(line: LineUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Berlin turns its clocks back at 01:00 UTC on 25 October 2026; rows carry UTC."""
    change = datetime.datetime(2026, 10, 25, 1, tzinfo=datetime.UTC)
    offset = line.folder / "offset"
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("LD_PRELOAD", shim(line.folder, "false_clock"))
    monkeypatch.setenv("FALSE_CLOCK", str(offset))
    offset.write_text(str(int(change.timestamp() - time.time()) - 600))
    line.start_machine(1_000_000)
    line.start_station()
    monkeypatch.delenv("LD_PRELOAD")
    line.wait_for_parts(8)
    offset.write_text(str(int(change.timestamp() - time.time()) + 60))
    more_parts(line, 8)
    result = line.end_feeding()
    holds(line, result)
    assert set(result["not_inspected"]) <= LATE
    times = [datetime.datetime.fromisoformat(row["utc"]) for row in line.rows()]
    assert times == sorted(times)
    assert min(times) < change < max(times)
    assert max(times) - min(times) < datetime.timedelta(hours=1)

"""Memory runs out: the kernel itself ends processes of the station, in a control group with a limit."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.line.conftest import LineUnderTest, wait_until
from tests.torture.test_peers_stop import more_parts, seen, unmet
from tests.torture.test_torture import alive, holds

ROOM = (
    60_000_000  # bytes above what the station uses: the eater stays smaller than what the kernel holds against others
)
EATER = """
import sys
eaten = []
for line in sys.stdin:
    eaten.append(bytearray(int(line)))
    for k in range(0, len(eaten[-1]), 4096): eaten[-1][k] = 1
    print(len(eaten), flush=True)
"""


class MemoryGroup:
    """A control group with a limit, of version 1 or 2."""

    def __init__(self) -> None:
        first = Path("/sys/fs/cgroup/memory")
        self.folder = (first if first.is_dir() else Path("/sys/fs/cgroup")) / f"jidoka-test-{os.getpid()}"
        v1 = first.is_dir()
        self.limit_file = self.folder / ("memory.limit_in_bytes" if v1 else "memory.max")
        self.used_file = self.folder / ("memory.usage_in_bytes" if v1 else "memory.current")
        self.folder.mkdir()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """What is started here belongs to the group for ever."""
        place = "/proc/self/cgroup"
        lines = [line.strip().split(":", 2) for line in Path(place).read_text().splitlines()]
        own = next(path for number, names, path in lines if names == "memory" or (number == "0" and not names))
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        yield
        (self.folder.parent / own.strip("/") / "cgroup.procs").write_text(str(os.getpid()))

    def close(self) -> None:
        wait_until(lambda: not (self.folder / "cgroup.procs").read_text(), "the group to be empty")
        self.folder.rmdir()


@pytest.fixture
def group(line: LineUnderTest) -> Iterator[MemoryGroup]:
    try:
        group = MemoryGroup()
        group.limit_file.write_text(str(8_000_000_000))
        with group.inside():
            pass
    except OSError:
        with contextlib.suppress(OSError, UnboundLocalError):
            group.folder.rmdir()
        pytest.skip("no right to make a control group for memory")
    yield group
    line.end()
    group.close()


def test_the_kernel_ends_pages_first_and_no_part_is_lost(line: LineUnderTest, group: MemoryGroup) -> None:
    line.start_machine(1_000_000)
    with group.inside():
        line.start_station()
        command = [sys.executable, "-c", EATER]
        eater = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert eater.stdin is not None
    assert eater.stdout is not None
    line.wait_for_parts(6)
    group.limit_file.write_text(str(int(group.used_file.read_text()) + ROOM))
    before = {name: line.pid(name) for name in ("gate", "engine", "recorder", "web")}

    def eat() -> list[str]:
        print(4_000_000, file=eater.stdin, flush=True)
        eater.stdout.readline()  # type: ignore[union-attr]
        return [name for name, pid in before.items() if not alive(pid)]

    assert "web" in wait_until(eat, "the kernel to end a process", 60)  # it may have needed more at once
    wait_until(lambda: set(eat()) - {"web"}, "the kernel to end more", 60)
    dead = {name for name, pid in before.items() if not alive(pid)}
    assert "gate" not in dead
    more_parts(line, 10)
    eater.kill()
    eater.communicate()
    wait_until(lambda: not unmet(line), "the station to be ready again", 60)
    more_parts(line, 14)
    result = line.end_feeding()
    holds(line, result)
    assert line.inspects_again()
    assert seen(line) >= 30

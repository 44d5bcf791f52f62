"""What gate and engine have in common must never make them wait for a disk."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from edge import process
from edge.process import LogFile, Progress, start_log
from edge.settings import StateFolder


def test_a_log_whose_disk_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that nobody empties stands in for the disk: after 64 kB a write blocks for ever."""
    monkeypatch.setattr(process, "LOG_LINES", 10)
    monkeypatch.setattr(process, "LOG_CLOSE_S", 0.01)
    path = tmp_path / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = LogFile(path)
    for _ in range(200):
        log.write("x" * 4096 + "\n")  # would block in the tests' own thread if it were written here
    assert log.lost > 0
    log.close()  # gives up soon
    while log._thread.is_alive():  # the disk is back
        with contextlib.suppress(BlockingIOError):
            os.read(reader, 1 << 20)
        log.close()
    os.close(reader)


def test_the_last_lines_are_written_before_a_process_ends(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    for k in range(100):
        log.write(f"{k}\n")
    log.close()
    assert (tmp_path / "log").read_text().splitlines() == [str(k) for k in range(100)]
    assert log.lost == 0


def test_each_line_of_a_log_says_whose_it_is_and_is_numbered(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.make()
    log = start_log(state, "gate", "EL-3", 77)
    for text in ("one", "two"):
        log.info(text)
    logger = log._logger._file  # type: ignore[attr-defined]
    logger.close()
    lines = [json.loads(line) for line in (state.logs / "gate.jsonl").read_text().splitlines()]
    assert [(line["event"], line["sequence"]) for line in lines] == [("one", 1), ("two", 2)]
    assert {(line["process"], line["station"], line["epoch"]) for line in lines} == {("gate", "EL-3", 77)}


def test_a_disk_that_refuses_is_counted_and_survived() -> None:
    log = LogFile(Path("/dev/full"))
    log.write("one\n")
    log.write("two\n")
    log.close()
    assert log.lost == 2


def test_progress_is_seen_through_the_descriptor_and_lies_on_no_disk() -> None:
    watched = Progress()
    marked = Progress(os.dup(watched.fd))
    watched._words[:] = memoryview(bytes(8 * len(watched._words))).cast("q")
    marked.mark("gate")
    assert watched.age_s("gate") < watched.age_s("engine")
    assert str(Path(f"/proc/self/fd/{watched.fd}").readlink()).startswith("/memfd:")

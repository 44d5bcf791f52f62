"""The demo from cameras that nobody here wrote, and from cameras that go away meanwhile."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import genicam
import pytest

from tests.camera_drivers import gige_peer, rtsp_peer
from tests.line.conftest import JIDOKA

PARTS = 30
PATIENCE_S = 120.0  # far more than a healthy run takes


@dataclass
class Peer:
    """A camera at `uri`, which can be taken away and given back."""

    uri: str
    pull: Callable[[], None]
    plug: Callable[[], None]


@contextlib.contextmanager
def gige() -> Iterator[Peer]:
    if why := gige_peer.missing():
        pytest.skip(why)
    with gige_peer.wired_camera(3) as camera:
        yield Peer(f"gige:{camera.address}", lambda: camera.signal(signal.SIGKILL), camera.start)


@contextlib.contextmanager
def rtsp() -> Iterator[Peer]:
    with contextlib.ExitStack() as later, rtsp_peer.peer(pattern="ball") as server:

        def plug() -> None:
            later.enter_context(rtsp_peer.peer(server.port, "ball"))

        yield Peer(f"rtsp://127.0.0.1:{server.port}/line", server.kill, plug)


@contextlib.contextmanager
def demo(state: Path, uri: str, parts: int = PARTS) -> Iterator["subprocess.Popen[str]"]:
    command = [*JIDOKA, "demo", "--headless", "--json", "--port", "0", "--parts", str(parts), "--takt-s", "0.5"]
    with subprocess.Popen([*command, "--state", str(state), "--camera", uri], stdout=subprocess.PIPE, text=True) as it:
        try:
            yield it
        finally:
            it.terminate()


def verdicts(state: Path) -> list[str]:
    """Of the parts that have left the belt, in their order."""
    account = state / "machine.jsonl"
    if not account.exists():
        return []
    return [json.loads(line)["verdict"] for line in account.read_text().splitlines(keepends=True) if line[-1] == "\n"]


def wait_until(said: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + PATIENCE_S
    while not said():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)


def result(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out
    return dict(json.loads(out.splitlines()[-1]))


@pytest.mark.parametrize("camera", [gige, rtsp])
def test_a_camera_pulled_and_plugged_in_again(
    camera: Callable[[], contextlib.AbstractContextManager[Peer]], tmp_path: Path
) -> None:
    state = tmp_path / "d"
    with camera() as peer, demo(state, peer.uri) as process:
        wait_until(lambda: len(verdicts(state)) >= 5, process)
        peer.pull()
        wait_until(lambda: verdicts(state)[-2:] == ["NOT_INSPECTED"] * 2, process)
        peer.plug()
        accounts = result(process)
    assert accounts["triggers"] == accounts["verdicts"] == accounts["ledger_rows"] == PARTS
    assert accounts["reconciled"]
    assert 2 <= sum(accounts["not_inspected"].values()) < PARTS - 5
    assert verdicts(state)[-1] in ("OK", "NG", "RECHECK"), "the last part was judged again"


def test_a_camera_behind_a_gentl_producer(tmp_path: Path) -> None:
    """The red one: the green ball has no contrast in the channel that counts as light."""
    state, cti = tmp_path / "d", Path(genicam.__file__).with_name("viky.cti")
    with demo(state, f"gentl:{cti}#0", 14) as process:
        accounts = result(process)
    assert accounts["triggers"] == accounts["verdicts"] == accounts["ledger_rows"] == 14
    assert accounts["reconciled"]
    assert len([one for one in verdicts(state) if one in ("OK", "NG", "RECHECK")]) >= 7


def test_a_camera_that_is_not_there_is_named(tmp_path: Path) -> None:
    command = [*JIDOKA, "demo", "--headless", "--parts", "3", "--state", str(tmp_path / "d")]
    done = subprocess.run([*command, "--camera", f"folder:{tmp_path / 'none'}"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "none" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.fspath(tmp_path) in done.stderr

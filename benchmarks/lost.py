"""A camera that is killed and started again under the engine's own supervision: `python -m benchmarks.lost`.

LOST: from the kill until parts are refused by name; back: from the camera's start until a part has its picture again.
"""

import argparse
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.rig import load
from edge.engine.cameras import StationCamera
from edge.messages import Inspect
from edge.recipe import Line
from edge.settings import CameraSettings
from vocabulary import DeviceError

PING_S = 0.1  # the gate pings the engine so often, which looks after its cameras then
PROBE_S = 2.0  # and proves them so often while no part comes
AWAY_S = 12.0  # longer than all pauses between attempts to open it
Peer = tuple[str, dict[str, float | str], Callable[[], None], Callable[[], None]]  # uri, settings, kill, start


def part(camera: StationCamera, number: int) -> bool:
    """One part: it has its picture."""
    far = time.monotonic_ns() + 10**10
    request = Inspect(1, number, 0, ["top"], None, 1, number, None, 0, 0, far, far)
    try:
        camera.expose(number)
        camera.frame(request, 0.5).release()
    except DeviceError:
        return False
    return True


def look_after(camera: StationCamera, until: Callable[[], bool], parts: bool) -> float:
    """The engine's round, with a part every half second or none; seconds until `until`."""
    began = proved = asked = time.monotonic()
    number = int(began * 10) % 10**6
    while not until():
        camera.try_open()
        now = time.monotonic()
        if parts and now - asked > 0.5:
            asked, number = now, number + 1
            part(camera, number)
        elif not parts and now - proved > PROBE_S:
            proved = now
            camera.probe()
        time.sleep(PING_S)
        if now - began > 60:
            raise SystemExit("not within 60 s")
    return time.monotonic() - began


def once(
    uri: str, settings: dict[str, float | str], kill: Callable[[], None], start: Callable[[], None], *, parts: bool
) -> tuple[float, float]:
    """Killed, away for a while, started: seconds to LOST, seconds to the next part's picture."""
    camera = StationCamera(CameraSettings(name="top", uri=uri, settings=settings), Path())
    camera.use({}, Line(takt_s=0.5, deadline_ms=400, exposure_window_ms=200))
    look_after(camera, lambda: camera.unmet is None, parts=False)
    kill()
    lost = look_after(camera, lambda: camera.unmet is not None, parts=parts)
    look_after(camera, waited(AWAY_S), parts=parts)
    start()
    back = look_after(camera, lambda: camera.unmet is None and part(camera, 7), parts=False)
    camera.close()
    return lost, back


@contextlib.contextmanager
def gige() -> Iterator[Peer]:
    from tests.camera_drivers import gige_peer

    with gige_peer.wired_camera(8) as camera:
        yield f"gige:{camera.address}", {}, lambda: camera.signal(signal.SIGKILL), camera.start


@contextlib.contextmanager
def rtsp() -> Iterator[Peer]:
    from tests.camera_drivers import rtsp_peer

    with contextlib.ExitStack() as later, rtsp_peer.peer(pattern="ball") as server:
        yield (
            f"rtsp://127.0.0.1:{server.port}/line", {"latency_ms": 150.0}, server.kill,
            lambda: plug(later, server.port),
        )  # fmt: skip


def plug(later: contextlib.ExitStack, port: int) -> None:
    from tests.camera_drivers import rtsp_peer

    later.enter_context(rtsp_peer.peer(port, "ball"))


def main(words: list[str] | None = None) -> None:
    """A line per peer."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=3)
    asked = options.parse_args(words)
    for kind, peer in (("gige (Aravis' fake camera)", gige), ("rtsp (GStreamer's server)", rtsp)):
        for parts in (True, False):
            lost, back = [], []
            for _ in range(asked.times):
                with peer() as its:
                    for one, seconds in zip((lost, back), once(*its, parts=parts), strict=True):
                        one.append(seconds)
            coming = "parts every 0.5 s" if parts else "no parts"
            said = [f"{np.median(one):.2f} / {max(one):.2f}" for one in (lost, back)]
            print(f"{kind}, {coming}: LOST after {said[0]} s, back after {said[1]} s, p50 / max; {load()}", flush=True)


def waited(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


if __name__ == "__main__":
    main()

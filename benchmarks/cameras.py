"""Each driver beside its own stack used bare, as the vendor's sample does it: `python -m benchmarks.cameras`.

Every row is a process of its own, ours and bare in turn. Peers: pylon's camera emulation, Aravis' fake GigE camera
behind a veth pair (needs the right to make one), the GenTL producer of the genicam wheel (runs free, 20 pictures/s).
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rig import load, memory_mb, percentiles

WIDTH, HEIGHT = 1280, 1024
WARM = 20  # pictures before anything is counted
TIMEOUT_S = 5.0
HEARTBEAT_S = 4.0  # a GigE camera is held so long by a process that is gone
Step = Callable[[int], np.ndarray]  # trigger with this number → its picture, in memory of the caller's


@contextlib.contextmanager
def ours(uri: str, settings: dict[str, float | str]) -> Iterator[Step]:
    from camera_drivers.drivers import camera

    one = camera(uri, "bench")
    one.open()
    one.configure(settings)
    one.start()

    def step(number: int) -> np.ndarray:
        one.trigger(number)
        with one.next_frame(TIMEOUT_S) as frame:
            return frame.image  # our drivers copy into their own buffers

    yield step
    one.close()


@contextlib.contextmanager
def bare_basler(_: str) -> Iterator[Step]:
    from pypylon import pylon

    camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateFirstDevice())
    camera.Open()
    camera.PixelFormat.Value, camera.Width.Value, camera.Height.Value = "Mono8", WIDTH, HEIGHT
    camera.TriggerSelector.Value, camera.TriggerMode.Value, camera.TriggerSource.Value = "FrameStart", "On", "Software"
    camera.MaxNumBuffer.Value = 5
    camera.StartGrabbing(pylon.GrabStrategy_OneByOne)

    def step(_: int) -> np.ndarray:
        camera.WaitForFrameTriggerReady(500, pylon.TimeoutHandling_ThrowException)
        camera.ExecuteSoftwareTrigger()
        with camera.RetrieveResult(5000, pylon.TimeoutHandling_ThrowException) as result:
            return np.asarray(result.Array)

    yield step
    camera.Close()


@contextlib.contextmanager
def bare_gige(address: str) -> Iterator[Step]:
    import gi

    gi.require_version("Aravis", "0.8")
    from gi.repository import Aravis

    camera = Aravis.Camera.new(address)
    camera.set_region(0, 0, WIDTH, HEIGHT)
    camera.set_pixel_format_from_string("Mono8")
    camera.set_trigger("Software")
    camera.gv_auto_packet_size()
    stream = camera.create_stream(None, None)
    for _ in range(5):
        stream.push_buffer(Aravis.Buffer.new_allocate(camera.get_payload()))
    camera.start_acquisition()

    def step(_: int) -> np.ndarray:
        camera.software_trigger()
        buffer = stream.timeout_pop_buffer(5_000_000)
        image = np.frombuffer(buffer.get_data(), np.uint8).reshape(HEIGHT, WIDTH)  # get_data copies
        stream.push_buffer(buffer)
        return image

    yield step
    camera.stop_acquisition()


@contextlib.contextmanager
def bare_gentl(path: str) -> Iterator[Step]:
    from harvesters.core import Harvester

    harvester = Harvester()
    harvester.add_file(path)
    harvester.update()
    camera = harvester.create({"serial_number": "1"})
    camera.remote_device.node_map.PixelFormat.value = "Mono8"
    camera.start()

    def step(_: int) -> np.ndarray:
        with camera.fetch(timeout=TIMEOUT_S) as buffer:
            part = buffer.payload.components[0]
            return part.data.reshape(part.height, part.width).copy()

    yield step
    camera.stop()
    camera.destroy()


BARE = {"basler": bare_basler, "gige": bare_gige, "gentl": bare_gentl}


def measure(step: Step, pictures: int, rate: float) -> dict[str, Any]:
    """At most `rate` a second; latency from the trigger to the picture in memory, processor time of this process."""
    for number in range(1, WARM + 1):
        step(number)
    laps, before_mb = [], memory_mb(os.getpid())
    used, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    for number in range(1, pictures + 1):
        if (early := began + number / rate - time.monotonic()) > 0:
            time.sleep(early)
        asked = time.perf_counter_ns()
        step(WARM + number)
        laps.append((time.perf_counter_ns() - asked) / 1e6)
    took, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return {"laps_ms": laps, "fps": pictures / took, "cpu": cpu / took, "grown_mb": memory_mb(os.getpid()) - before_mb}


def run_one(kind: str, how: str, where: str, pictures: int, rate: float) -> dict[str, Any]:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.cameras", "--one", kind, how, where, str(pictures), str(rate)]
    environment = {**os.environ, "PYLON_CAMEMU": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one(kind: str, how: str, where: str, pictures: int, rate: float) -> None:
    """The process: print what was measured."""
    size: dict[str, float | str] = {"pixel_format": "Mono8", "width": WIDTH, "height": HEIGHT}
    settings = {"pixel_format": "Mono8", "latency_ms": 1.0} if kind == "gentl" else size
    uri = f"gentl:{where}#1" if kind == "gentl" else f"{kind}:{where}"
    with ours(uri, settings) if how == "ours" else BARE[kind](where) as step:
        found = measure(step, pictures, rate)
    print(json.dumps(found), flush=True)
    os._exit(0)  # vendors' libraries may hang in their own farewell


@contextlib.contextmanager
def peers() -> Iterator[list[tuple[str, str]]]:
    """Kind and place of each camera that can be had here."""
    import genicam

    from tests.camera_drivers import gige_peer

    found = [("basler", ""), ("gentl", str(Path(genicam.__file__).with_name("viky.cti")))]
    with contextlib.ExitStack() as stack:
        if why := gige_peer.missing():
            print(f"gige: {why}")
        else:
            found.append(("gige", stack.enter_context(gige_peer.wired_camera(9)).address))
        yield found


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pictures", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=2, help="ours and bare in turn, so often")
    options.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    asked = options.parse_args(words)
    if asked.one:
        kind, how, where, pictures, rate = asked.one
        return one(kind, how, where, int(pictures), float(rate))
    with peers() as there:
        for kind, where in there:
            for rate in (1e6,) if kind == "gentl" else (30.0, 100.0, 1e6):
                compare(kind, where, asked.pictures if kind != "gentl" else max(100, asked.pictures // 5), rate, asked)
    return None


def compare(kind: str, where: str, pictures: int, rate: float, asked: Any) -> None:
    """Two lines and a ratio."""
    rounds: dict[str, list[dict[str, Any]]] = {"ours": [], "bare": []}
    for _ in range(asked.rounds):
        for how, its in rounds.items():
            time.sleep(HEARTBEAT_S if kind == "gige" else 0.0)
            its.append(run_one(kind, how, where, pictures, rate))
    paced = "as fast as it goes" if rate >= 1e6 else f"{rate:g}/s"
    print(f"{kind}, {paced}, {pictures} pictures × {asked.rounds}; {load()}")
    for how, its in rounds.items():
        laps = [lap for one_round in its for lap in one_round["laps_ms"]]
        fps, cpu = (np.mean([one_round[name] for one_round in its]) for name in ("fps", "cpu"))
        grown = max(one_round["grown_mb"] for one_round in its)
        print(f"  {how}: ms p50/p99/p99.9/max {percentiles(laps)}; {fps:.1f}/s; {cpu:.0%} of a core; +{grown:.1f} MB")
    p50 = [np.median([lap for one_round in its for lap in one_round["laps_ms"]]) for its in rounds.values()]
    cpu_ms = [np.mean([one_round["cpu"] / one_round["fps"] * 1e3 for one_round in its]) for its in rounds.values()]
    print(f"  ours / bare: p50 × {p50[0] / p50[1]:.2f}, processor time a picture × {cpu_ms[0] / cpu_ms[1]:.2f}")


if __name__ == "__main__":
    main()

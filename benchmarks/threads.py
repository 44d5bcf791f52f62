"""onnxruntime's threads and spinning, side by side on one model: alone, and beside a busy process on core 0."""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.rig import CLI, percentiles
from edge import demo, demo_station
from edge.realtime import raise_priority
from edge.settings import StateFolder
from models.graph import MAP, PICTURE, SCORE
from models.package import read_package

TAKT_S = 0.05  # between calls, as an engine waits between parts


def child(package: Path, threads: int, spin: bool, fifo: bool, runs: int) -> None:
    """One configuration in a process of its own; prints the laps in ms."""
    import cv2

    cv2.setNumThreads(1)
    if fifo:
        raise_priority(50, 1, helpers_stay_normal=False)
    if threads > 1:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    found = read_package(package, None)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    session = onnxruntime.InferenceSession(found.model, options, providers=["CPUExecutionProvider"])
    laps = []
    for k in range(-20, runs):
        time.sleep(TAKT_S)
        began = time.perf_counter_ns()
        session.run([MAP, SCORE], {PICTURE: np.ascontiguousarray(found.golden[k % len(found.golden)].picture)})
        if k >= 0:
            laps.append((time.perf_counter_ns() - began) / 1e6)
    print(json.dumps(laps))


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=400)
    asked.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = asked.parse_args(words)
    if options.child:
        package, threads, spin, fifo, runs = options.child
        child(Path(package), int(threads), spin == "1", fifo == "1", int(runs))
        return
    with tempfile.TemporaryDirectory(prefix="jidoka-bench-") as root:
        folder = StateFolder(Path(root) / "state")
        demo.fresh(folder)
        taught = demo_station.cells(folder, 1).taught
        package = folder.packages / "cell.jdk"
        demo_station.call([*CLI, "teach", "--data", str(taught), "--out", str(package), "--state", str(folder.root)])
        for busy, threads, spin, fifo in itertools.product((False, True), (1, 2), (False, True), (True, False)):
            if threads == 1 and spin:
                continue  # one thread has nobody to spin for
            words_ = [str(package), str(threads), str(int(spin)), str(int(fifo)), str(options.runs)]
            beside = subprocess.Popen(
                [sys.executable, "-c", "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass"]
            )
            try:
                if not busy:
                    beside.kill()
                command = [sys.executable, "-m", "benchmarks.threads", "--child", *words_]
                laps = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            finally:
                beside.kill()
                beside.wait()
            what = f"{threads} threads, {'spinning' if spin else 'not spinning'}, {'SCHED_FIFO' if fifo else 'normal'}"
            where = "beside a busy process" if busy else "alone"
            print(f"{what}, {where}: ms p50/p99/p99.9/max {percentiles(laps)}", flush=True)


if __name__ == "__main__":
    main()

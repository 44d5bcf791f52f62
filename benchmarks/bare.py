"""The reference: a bare onnxruntime session on a package's model, with the engine's threads, priority and core."""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from edge.bench import as_engine
from edge.settings import RealTimeSettings
from models.graph import MAP, PICTURE, SCORE
from models.package import read_package


def measure(model: bytes, pictures: list[Path], runs: int, takt_s: float) -> list[float]:
    """Milliseconds of each call; with a takt it sleeps between calls, as an engine waits between parts."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    images = [np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)) for path in pictures]
    laps = []
    due = time.monotonic()
    for k in range(-20, runs):
        due = max(due + takt_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        began = time.perf_counter_ns()
        session.run([MAP, SCORE], {PICTURE: images[k % len(images)]})
        if k >= 0:
            laps.append((time.perf_counter_ns() - began) / 1e6)
    return laps


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("package", type=Path)
    options.add_argument("pictures", type=Path, nargs="+")
    options.add_argument("--runs", type=int, default=500)
    options.add_argument("--takt-s", type=float, default=0.0)
    asked = options.parse_args()
    model = read_package(asked.package, None).model
    policy = as_engine(RealTimeSettings())
    print(json.dumps({"policy": policy, "laps_ms": measure(model, asked.pictures, asked.runs, asked.takt_s)}))


if __name__ == "__main__":
    main()

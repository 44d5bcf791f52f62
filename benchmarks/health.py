"""What the picture-health look costs a frame: `python -m benchmarks.health`."""

import argparse
import time

import cv2
import numpy as np

from benchmarks.rig import load, percentiles
from models.frame_health import FrameHealth, teach

SIZES = ((1024, 1280), (1024, 1280, 3), (256, 256))
PATCH = (16, 16, 32, 32)


def taught(shape: tuple[int, ...]) -> tuple[FrameHealth, list[np.ndarray]]:
    """A reference, and other pictures."""
    chance = np.random.default_rng(1)
    texture = [cv2.GaussianBlur(chance.normal(0, 60, shape), (0, 0), 1.2) + 120 for _ in range(20)]
    pictures = [np.asarray(np.clip(one, 0, 255), np.uint8) for one in texture]
    return teach([(str(n), one) for n, one in enumerate(pictures[:10])], PATCH), pictures[10:]


def main(words: list[str] | None = None) -> None:
    """Print one line per picture size."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=2000)
    asked = options.parse_args(words)
    cv2.setNumThreads(1)
    for shape in SIZES:
        its, pictures = taught(shape)
        laps = []
        for k in range(asked.runs):
            began = time.perf_counter_ns()
            its.check(its.measure(pictures[k % len(pictures)]))
            laps.append((time.perf_counter_ns() - began) / 1e6)
        print(f"{' × '.join(map(str, shape))}: ms p50/p99/p99.9/max {percentiles(laps)}; {load()}")


if __name__ == "__main__":
    main()

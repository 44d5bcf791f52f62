"""Runs a package: one onnxruntime session, one thread, the same scores from training to edge."""

from dataclasses import dataclass

import numpy as np
import onnxruntime

from models.graph import MAP, PICTURE, SCORE
from models.package import Package
from vocabulary import DataError, Image, ModelError, ScoreMap

TOLERANCE = 1e-4  # design §6, relative to the golden score's size: float32 sums differ between processors
WARM_UP_RUNS = 3  # the first run allocates, the second plans; from the third on it is steady


@dataclass(frozen=True, slots=True)
class Scores:
    """What the graph says of one picture."""

    score: float
    map: ScoreMap


def session(model: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """A CPU session that makes no threads of its own with threads=1 and never spins. Raises ModelError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as err:  # onnxruntime's errors share no importable base
        raise ModelError(f"model.onnx: onnxruntime refuses it ({str(err)[:120]})", "teach it again") from err


class Runner:
    """A loaded package."""

    def __init__(self, package: Package, threads: int = 1) -> None:
        self.package, self.threads = package, threads
        self._session = session(package.model, threads)
        self._input = package.manifest["input"]
        self._next_golden = 0

    def check(self, image: Image) -> None:
        """Raises DataError naming expected and actual size or channels."""
        height, width = image.shape[:2]
        channels = 1 if image.ndim == 2 else image.shape[2]
        wanted = (self._input["width"] or width, self._input["height"] or height, self._input["channels"])
        if image.dtype != np.uint8 or (width, height, channels) != wanted:
            raise DataError(
                f"picture has size {width}×{height} with {channels} channels ({image.dtype}), "
                f"taught were {wanted[0]}×{wanted[1]} with {wanted[2]}",
                "check the camera's region and pixel format, or teach again",
            )

    def infer(self, image: Image) -> Scores:
        """Scores of one picture. Raises DataError (size), ModelError (the graph fails or gives NaN)."""
        self.check(image)
        try:
            score_map, score = self._session.run([MAP, SCORE], {PICTURE: np.ascontiguousarray(image)})
        except Exception as err:  # onnxruntime's errors share no importable base
            raise ModelError(f"model.onnx failed ({str(err)[:120]})", "activate the previous package") from err
        if not (np.isfinite(score) and np.isfinite(score_map).all()):
            raise ModelError("model.onnx gave NaN or infinity", "activate the previous package and teach again")
        return Scores(float(score), np.asarray(score_map, np.float32))

    def warm_up(self) -> None:
        """Until runs are steady."""
        for _ in range(WARM_UP_RUNS):
            self.infer(self.package.golden[0].picture)

    def replay_golden(self) -> float:
        """All golden vectors on this very machine; the largest deviation. Raises ModelError above TOLERANCE."""
        return max(self._replay(k) for k in range(len(self.package.golden)))

    def replay_next(self) -> float:
        """One golden vector, the next in turn: proof and warm caches while the line is idle. Raises ModelError."""
        self._next_golden = (self._next_golden + 1) % len(self.package.golden)
        return self._replay(self._next_golden)

    def _replay(self, k: int) -> float:
        golden = self.package.golden[k]
        found = self.infer(golden.picture)
        worst = max(abs(found.score - golden.score), float(np.abs(found.map - golden.map).max()))
        worst /= max(1.0, abs(golden.score))
        if not worst <= TOLERANCE:
            raise ModelError(
                f"golden picture {k} scores {worst:.1e} off", "this machine or package is not to be trusted"
            )
        return worst

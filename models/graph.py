"""Everything from raw picture to score map in ONE ONNX graph: the only preprocessing there is.

picture (H, W) or (H, W, 3) uint8 → resized to SIDE × SIDE (the aspect is not kept: the same squeeze for every picture
of a camera) → backbone → 3 × 3 average with zeros beyond the border (tells border patches apart; measured +0.16 AUROC
on parts with a visible edge) → distance of each patch to what was taught → for methods that judge by
position, the same distance as if all positions varied alike → smoothed map → its maximum.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from vocabulary import ModelError

SIDE = 256  # pixels the backbone sees
GRID = SIDE // 8  # patches along a side: the map is GRID × GRID
CHANNELS = 152  # 40 of tap8 and 112 of tap16
OPSET = 18
FEATURES, MAP, SCORE, PICTURE = "features", "score_map", "score", "picture"

Vectors = npt.NDArray[np.float32]
Parts = tuple[list[Any], list[Any]]  # nodes, constants


@dataclass(frozen=True, slots=True)
class Positions:
    """How far good parts' patches usually are from what was taught, position by position."""

    mean: Vectors  # (GRID, GRID)
    spread: Vectors  # (GRID, GRID), above 0

    def line(self) -> tuple[Vectors, Vectors]:
        """Scale and shift that give every position the average mean and spread.

        A z-score would rank alike but lies around 0, where the lognormal bound of the limit means nothing.
        """
        scale = self.spread.mean() / self.spread
        return scale.astype(np.float32), (self.mean.mean() - self.mean * scale).astype(np.float32)


def backbone() -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The shipped network and its manifest. Raises ModelError when the file is not the one described."""
    folder = resources.files("models") / "backbones"
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    data = (folder / manifest["file"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
        raise ModelError(f"backbone {manifest['file']}: altered", "install Jidoka again")
    return onnx.load_from_string(data), manifest


def features_graph(channels: int) -> onnx.ModelProto:
    """Raw picture of 1 or 3 channels → `features` (1, CHANNELS, GRID, GRID)."""
    body, _ = backbone()
    nodes, weights = _front(channels)
    pooling, more = _pooling()
    shape: list[int | str] = ["height", "width"] if channels == 1 else ["height", "width", 3]
    picture = helper.make_tensor_value_info(PICTURE, TensorProto.UINT8, shape)
    return _model(
        [*nodes, *body.graph.node, *pooling],
        [*weights, *body.graph.initializer, *more],
        picture,
        [_value(FEATURES, [1, CHANNELS, GRID, GRID])],
    )


def scoring_graph(channels: int, distance: Parts, positions: Positions | None = None) -> onnx.ModelProto:
    """Raw picture → `score_map` (GRID, GRID) and `score` (): `distance` leads from `features` to `distance`."""
    base = features_graph(channels).graph
    parts = [distance, _usual(positions), _smoothed("usual")] if positions else [distance, _smoothed("distance")]
    nodes = [*base.node, *(node for part in parts for node in part[0])]
    weights = [*base.initializer, *(weight for part in parts for weight in part[1])]
    model = _model(nodes, weights, base.input[0], [_value(MAP, [GRID, GRID]), _value(SCORE, [])])
    onnx.checker.check_model(model, full_check=True)
    return model


def nearest_distance(bank: Vectors) -> Parts:
    """Distance to the nearest of `bank` (N, CHANNELS).

    |x − b|² = |x|² − 2 x·b + |b|²: the bank is a 1 × 1 convolution, the nearest its minimum.
    """
    weights = [
        _constant("bank", (-2 * bank)[:, :, None, None].astype(np.float32)),
        _constant("bank_norms", (bank.astype(np.float64) ** 2).sum(axis=1).astype(np.float32)),
        _constant("channel_axis", np.array([1], np.int64)),
        _constant("nothing", np.array(0, np.float32)),
    ]
    nodes = [
        helper.make_node("Conv", [FEATURES, "bank", "bank_norms"], ["to_bank"]),
        helper.make_node("ReduceMin", ["to_bank", "channel_axis"], ["nearest"], keepdims=1),
        helper.make_node("ReduceSumSquare", [FEATURES, "channel_axis"], ["own"], keepdims=1),
        helper.make_node("Add", ["nearest", "own"], ["square"]),
        helper.make_node("Max", ["square", "nothing"], ["square_positive"]),
        helper.make_node("Sqrt", ["square_positive"], ["distance"]),
    ]
    return nodes, weights


def gaussian_distance(mean: Vectors, whitening: Vectors) -> Parts:
    """Mahalanobis distance |(x − mean) W|, W (CHANNELS, CHANNELS): a 1 × 1 convolution and its norm."""
    shift = -(mean.astype(np.float64) @ whitening.astype(np.float64))
    weights = [
        _constant("whitening", whitening.T[:, :, None, None].astype(np.float32)),
        _constant("whitened_mean", shift.astype(np.float32)),
        _constant("channel_axis", np.array([1], np.int64)),
    ]
    nodes = [
        helper.make_node("Conv", [FEATURES, "whitening", "whitened_mean"], ["whitened"]),
        helper.make_node("ReduceL2", ["whitened", "channel_axis"], ["distance"], keepdims=1),
    ]
    return nodes, weights


def _front(channels: int) -> Parts:
    """uint8 (H, W[, 3]) → float (1, 3, SIDE, SIDE), still 0 … 255."""
    nodes = [helper.make_node("Cast", [PICTURE], ["float_picture"], to=TensorProto.FLOAT)]
    weights = [_constant("sizes", np.array([1, channels, SIDE, SIDE], np.int64))]
    if channels == 1:
        weights.append(_constant("front_axes", np.array([0, 1], np.int64)))
        nodes.append(helper.make_node("Unsqueeze", ["float_picture", "front_axes"], ["planes"]))
    else:
        weights.append(_constant("front_axes", np.array([0], np.int64)))
        nodes.append(helper.make_node("Transpose", ["float_picture"], ["channels_first"], perm=[2, 0, 1]))
        nodes.append(helper.make_node("Unsqueeze", ["channels_first", "front_axes"], ["planes"]))
    resized = "resized" if channels == 1 else "image"
    nodes.append(helper.make_node("Resize", ["planes", "", "", "sizes"], [resized], mode="linear", antialias=1))
    if channels == 1:
        nodes.append(helper.make_node("Concat", [resized] * 3, ["image"], axis=1))
    return nodes, weights


def _pooling() -> Parts:
    """Both taps averaged over their 3 × 3 neighbourhood, zeros beyond the border, on one grid."""
    pool: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    weights = [_constant("tap_sizes", np.array([1, 112, GRID, GRID], np.int64))]
    nodes = [
        helper.make_node("AveragePool", ["tap8"], ["pooled8"], **pool),
        helper.make_node("AveragePool", ["tap16"], ["pooled16"], **pool),
        helper.make_node("Resize", ["pooled16", "", "", "tap_sizes"], ["pooled16_up"], mode="linear"),
        helper.make_node("Concat", ["pooled8", "pooled16_up"], [FEATURES], axis=1),
    ]
    return nodes, weights


def _usual(positions: Positions) -> Parts:
    """A distance as it would be where mean and spread are average: d · scale + shift."""
    scale, shift = positions.line()
    weights = [_constant("position_scale", scale[None, None]), _constant("position_shift", shift[None, None])]
    nodes = [
        helper.make_node("Mul", ["distance", "position_scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "position_shift"], ["usual"]),
    ]
    return nodes, weights


def _smoothed(raw: str) -> Parts:
    """3 × 3 mean inside the picture, then the maximum."""
    weights = [_constant("batch_axes", np.array([0, 1], np.int64))]
    nodes = [
        helper.make_node("AveragePool", [raw], ["smooth"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Squeeze", ["smooth", "batch_axes"], [MAP]),
        helper.make_node("ReduceMax", [MAP], [SCORE], keepdims=0),
    ]
    return nodes, weights


def _constant(name: str, array: npt.NDArray[Any]) -> Any:
    return numpy_helper.from_array(array, name)


def _value(name: str, shape: list[int]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _model(nodes: list[Any], constants: list[Any], picture: Any, outputs: list[Any]) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "jidoka", [picture], outputs, constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="jidoka"
    )

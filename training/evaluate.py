"""`jidoka evaluate`: honest numbers of a package on labelled pictures."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datasets.manifest import Sample, read
from datasets.pictures import Region, cut, load, load_mask
from models.inspection import Inspection, inspect
from models.package import read_package
from models.runner import Runner
from quality.intervals import upper_bound
from quality.scores import aupro, auroc, recall_at_overkill
from training.placement import Followed, where
from vocabulary import DataError, Image, Reason, Verdict

OVERKILLS = (0.01, 0.001)


def evaluate(
    package: Path,
    data: Path,
    subset: str,
    trust: Path | None,
    region: Region | None = None,
    followed: Followed | None = None,
) -> dict[str, Any]:
    """Judge every picture of the subset, or a region of it, as the station would. What the data cannot tell is None.

    escape: bad parts with verdict OK, of the bad parts inspected. overkill: good parts with NG or RECHECK, of the good
    parts inspected. NOT_INSPECTED is counted apart. Raises DataError, ModelError.
    """
    samples = read(data).of(subset)
    if not samples:
        raise DataError(f"{data}: no pictures of subset {subset!r}", "name another --subset")
    runner = Runner(read_package(package, trust))
    runner.warm_up()
    runner.replay_golden()
    looked: list[tuple[Sample, Inspection]] = []
    latency: list[float] = []
    maps: list[Any] = []
    masks: list[Image] = []
    for sample in samples:
        picture = load(sample.path)
        try:
            its_region = where(picture, region, followed, sample.path)
        except DataError as err:  # the station would not judge it either
            why = [Reason("not_located", str(err))]
            looked.append((sample, Inspection(Verdict.NOT_INSPECTED, why, None, None, [], None)))
            continue
        image = cut(picture, its_region, sample.path)
        began = time.perf_counter()
        found = inspect(image, runner)
        latency.append((time.perf_counter() - began) * 1e3)
        looked.append((sample, found))
        if found.map is not None and (sample.mask is not None or sample.label == "ok"):
            small = (found.map.shape[1], found.map.shape[0])
            maps.append(found.map)
            masks.append(shrunk(sample, picture, its_region, small))
    if not latency:
        raise DataError(f"{data}: no part in its place on any picture", "teach the placement again")
    return {**counts(looked), **ranking(looked, maps, masks), "latency_ms": quantiles(latency), "scores": [
        {"path": str(s.path), "label": s.label, "score": f.score, "verdict": f.verdict.value} for s, f in looked
    ]}  # fmt: skip


def counts(looked: list[tuple[Sample, Inspection]]) -> dict[str, Any]:
    """Escapes and overkill with their bounds, per class too."""
    inspected = [(s, f.verdict) for s, f in looked if f.verdict is not Verdict.NOT_INSPECTED]
    bad = [(s, v) for s, v in inspected if s.label == "ng"]
    good = [v for s, v in inspected if s.label == "ok"]
    classes: dict[str, list[Verdict]] = defaultdict(list)
    for sample, verdict in bad:
        classes[sample.defect_type or "ng"].append(verdict)
    return {
        "n_ok": sum(s.label == "ok" for s, _ in looked),
        "n_ng": sum(s.label == "ng" for s, _ in looked),
        "not_inspected": len(looked) - len(inspected),
        "escape": share(sum(v is Verdict.OK for _, v in bad), len(bad)),
        "overkill": share(sum(v is not Verdict.OK for v in good), len(good)),
        "recheck_share": sum(v is Verdict.RECHECK for _, v in inspected) / len(inspected) if inspected else None,
        "per_class": {
            name: {"escape": share(sum(v is Verdict.OK for v in vs), len(vs))} for name, vs in sorted(classes.items())
        },
    }


def ranking(looked: list[tuple[Sample, Inspection]], maps: list[Any], masks: list[Image]) -> dict[str, Any]:
    """What scores and maps are worth without a limit."""
    good = np.array([f.score for s, f in looked if s.label == "ok" and f.score is not None])
    bad = np.array([f.score for s, f in looked if s.label == "ng" and f.score is not None])
    marked = any(mask.any() for mask in masks)
    inside = np.concatenate([m[k > 0] for m, k in zip(maps, masks, strict=True)]) if marked else np.array([])
    outside = np.concatenate([m[k == 0] for m, k in zip(maps, masks, strict=True)]) if marked else np.array([])
    return {
        "image_auroc": auroc(good, bad),
        "pixel_auroc": auroc(outside, inside),
        "aupro_30": aupro(maps, masks) if marked else None,
        "recall_at_overkill": {str(x): recall_at_overkill(good, bad, x) for x in OVERKILLS},
    }


def shrunk(sample: Sample, picture: Image, region: Region | None, size: tuple[int, int]) -> Image:
    """The mask on the map's grid: a cell counts as defective when any of its pixels is."""
    if sample.mask is None:
        return np.zeros((size[1], size[0]), np.uint8)
    mask = cut(load_mask(sample.mask, (picture.shape[0], picture.shape[1])), region, sample.mask)
    return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0, np.uint8)


def share(count: int, n: int) -> dict[str, Any]:
    """A count with its n and upper 95 % bound."""
    return {"count": count, "n": n, "upper95": upper_bound(count, n) if n else None}


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p99, p99.9, max in ms."""
    p50, p99, p999 = np.percentile(values, [50, 99, 99.9])
    return {"p50": float(p50), "p99": float(p99), "p999": float(p999), "max": max(values)}

"""What pictures there are and what is known of them: folders, dataset.csv, COCO, all as one list of samples."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datasets.pictures import SUFFIXES
from vocabulary import DataError

GOOD = {"good", "ok", "free", "normal"}  # folder names of good pictures in MVTec and its relatives


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture with its label; `group` is never torn apart by a split."""

    path: Path
    label: Literal["ok", "ng"]
    defect_type: str
    mask: Path | None
    boxes: str
    split: str  # provenance only
    subset: str  # train, test, or "" where the source does not say
    group: str
    extra: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """The samples of one source."""

    samples: list[Sample]
    source: Path

    def of(self, subset: str, label: str | None = None) -> list[Sample]:
        """Samples of a subset; where the source does not say, every subset has them all."""
        return [s for s in self.samples if s.subset in ("", subset) and (label is None or s.label == label)]


def read(source: Path) -> Dataset:
    """A folder (MVTec style, or good pictures only), a dataset.csv, or a COCO file. Raises DataError."""
    if source.is_dir() and (source / "dataset.csv").is_file():
        source = source / "dataset.csv"
    if source.is_dir():
        samples = list(from_folder(source))
    elif source.suffix == ".json" and source.is_file():
        samples = list(from_coco(source))
    elif source.is_file():
        samples = list(from_csv(source))
    else:
        raise DataError(f"{source}: not there", "name a folder of pictures, a dataset.csv or a COCO file")
    if not samples:
        raise DataError(f"{source}: no pictures", f"put some there: {', '.join(sorted(SUFFIXES))}")
    return Dataset(samples, source)


def version(samples: list[Sample]) -> str:
    """SHA-256 over the pictures' contents and labels: the same data, wherever it lies, has the same version."""
    digest = hashlib.sha256()
    for line in sorted(f"{hashlib.sha256(s.path.read_bytes()).hexdigest()} {s.label} {s.group}" for s in samples):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def pictures_in(folder: Path) -> list[Path]:
    """Pictures below a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def from_folder(root: Path) -> Iterator[Sample]:
    """`train/good`, `test/<type>`, `ground_truth/<type>/<name>_mask.png`; any other folder holds good pictures only."""
    if not (root / "train").is_dir():
        refuse_mixed(root)
        yield from (Sample(p, "ok", "", None, "", "", "", p.stem, "") for p in pictures_in(root))
        return
    for subset in ("train", "test"):
        for path in pictures_in(root / subset):
            kind = path.parent.name
            if path.parent == root / subset and subset == "test":
                raise DataError(f"{path}: lies in test/ itself", "put it into test/good/ or test/<defect>/")
            good = kind in GOOD or kind == subset
            masks = root / "ground_truth" / kind
            mask = next((m for m in (masks / f"{path.stem}_mask.png", masks / path.name) if m.is_file()), None)
            group = f"{subset}/{kind}/{path.stem}"
            yield Sample(path, "ok" if good else "ng", "" if good else kind, mask, "", "", subset, group, "")


def refuse_mixed(root: Path) -> None:
    """Good beside bad without `train` would teach the bad ones as good. Raises DataError."""
    kinds = sorted({path.parent.name for path in pictures_in(root) if path.parent != root})
    if GOOD & set(kinds) and set(kinds) - GOOD:
        raise DataError(
            f"{root}: {', '.join(kinds[:5])} side by side", "name the folder of good pictures, or use train/ and test/"
        )


def from_csv(path: Path) -> Iterator[Sample]:
    """Columns of design §11; paths relative to the file, or absolute."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise DataError(f"{path}: {err}", "a UTF-8 CSV file with at least path,label") from err
    for number, row in enumerate(rows, 2):
        label = (row.get("label") or "").strip().lower()
        subset = (row.get("subset") or "").strip()
        if subset not in ("", "train", "test"):
            raise DataError(f"{path}: line {number}: subset {subset!r}", "train, test, or empty for both")
        if not row.get("path") or label not in ("ok", "ng"):
            raise DataError(f"{path}: line {number}: path {row.get('path')!r}, label {label!r}", "label is ok or ng")
        mask = path.parent / row["mask"] if row.get("mask") else None
        yield Sample(
            path.parent / row["path"],
            "ok" if label == "ok" else "ng",
            row.get("defect_type") or "",
            mask,
            row.get("boxes") or "",
            row.get("split") or "",
            subset,
            row.get("group") or row["path"],
            row.get("extra") or "",
        )


def from_coco(path: Path) -> Iterator[Sample]:
    """Images without an annotation are ok; `file_name` is relative to the file."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = {one["id"]: str(one["name"]) for one in content.get("categories", [])}
        found: dict[int, list[str]] = {}
        for one in content.get("annotations", []):
            x, y, width, height = one["bbox"]
            box = f"{x:g} {y:g} {x + width:g} {y + height:g} {names[one['category_id']]}"
            found.setdefault(one["image_id"], []).append(box)
        for image in content["images"]:
            boxes = found.get(image["id"], [])
            kind = boxes[0].split(" ", 4)[4] if boxes else ""
            name = image["file_name"]
            yield Sample(path.parent / name, "ng" if boxes else "ok", kind, None, ";".join(boxes), "", "", name, "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise DataError(f"{path}: not a COCO file ({err!r})", "images, annotations with bbox, categories") from err

"""`jidoka recipe placement`: what a part's place looks like, from good pictures and, better, the empty nest as well."""

import hashlib
from pathlib import Path
from typing import Any

from datasets.manifest import read
from datasets.pictures import SUFFIXES, Region, cut, load
from models.placement import Placement, locate, pack, present, small, teach, unpack
from vocabulary import DataError, Image, Reason, SettingsError

LEAST = 10  # good pictures; below this the spread of area and place is not known


def teach_placement(data: Path, out: Path, empty: Path | None) -> dict[str, Any]:
    """Write the reference; what the recipe needs of it is `recipe`. Raises DataError, SettingsError."""
    samples = read(data).of("train", "ok")
    if len(samples) < LEAST:
        raise DataError(f"{data}: {len(samples)} good pictures to learn from", f"at least {LEAST}")
    nests = sorted(path for path in empty.glob("*") if path.suffix.lower() in SUFFIXES) if empty else []
    if empty and not nests:
        raise DataError(f"{empty}: no pictures of the empty nest", "one at least")
    good = [(str(sample.path), load(sample.path)) for sample in samples]
    its = teach(good, [load(path) for path in nests])
    content = pack(its)
    try:
        out.write_bytes(content)
    except OSError as err:
        raise SettingsError(f"{out}: {err.strerror}", "name a file that can be written") from err
    sha256 = hashlib.sha256(content).hexdigest()
    refused = sum(present(small(image), its) is not None for _, image in good)
    return {
        "reference": str(out), "sha256": sha256, "n_ok": len(good), "n_empty": len(nests), "refused": refused,
        "share": [round(its.share_min, 4), round(its.share_max, 4)], "threshold": its.threshold,
        "recipe": f'[placement.CAMERA]\nreference = "{out.name}"\nsha256 = "{sha256}"\nlocate_px = 40',
    }  # fmt: skip


class Followed:
    """Regions that follow the part, as at the station: for teach, evaluate and inspect."""

    def __init__(self, reference: Path, locate_px: int) -> None:
        try:
            self.its: Placement = unpack(str(reference), reference.read_bytes())
        except OSError as err:
            raise SettingsError(f"{reference}: {err.strerror}", "make it: jidoka recipe placement") from err
        self.locate_px = locate_px

    def region(self, image: Image, taught: Region, path: Path) -> Region:
        """The taught region where the part lies now. Raises DataError: no single part in its place."""
        if image.shape[:2] != (self.its.height, self.its.width):
            raise DataError(f"{path}: another size than placement was taught on", f"{self.its.width}×{self.its.height}")
        look = small(image)
        why = present(look, self.its) or locate(look, self.its, self.locate_px)
        if isinstance(why, Reason):
            raise DataError(f"{path}: {why.text}", "remove it, or teach the placement again")
        x, y, width, height = taught
        if min(x + why[0], y + why[1]) < 0:
            raise DataError(f"{path}: the region follows the part out of the picture", "a smaller region")
        return x + why[0], y + why[1], width, height


def where(image: Image, region: Region | None, followed: Followed | None, path: Path) -> Region | None:
    """What the model sees of a picture; None: all of it. Raises DataError."""
    return followed.region(image, region, path) if followed and region else region


def looked_at(image: Image, region: Region | None, followed: Followed | None, path: Path) -> Image:
    """What the model sees of a picture, cut out. Raises DataError."""
    return cut(image, where(image, region, followed, path), path)

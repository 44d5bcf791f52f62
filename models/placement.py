"""Is one part there, and where? A cheap look at a small copy of the picture, before any model; translation only.

Taught from good pictures, with or without pictures of the empty nest. What differs from the background is foreground:
no piece of a part's size is an empty nest, more than one are two parts. The locator finds the part's surroundings again
(normalised correlation) and says by how much they moved; the recipe's regions follow.
"""

import io
import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from vocabulary import DataError, Image, Reason

SIDE = 160  # longest side of the small copy: 1280 × 1024 becomes 160 × 128, found to about 2 pixels of the raw picture
RING = 0.05  # of each side: the picture's border, whose median is the light of this picture
LEAST_CONTRAST = 12  # grey levels between part and background; below this light alone makes the difference
PIECE = 0.25  # of the smallest taught part: smaller pieces of foreground are dirt, or belong to it
SHARE = (0.6, 1.5)  # of the least and largest taught area: a part with a corner gone is still judged, two are not one
MOST = 0.9  # of the picture: a part that fills it leaves nothing to tell it from an empty nest
MARGIN = 2  # small pixels around the part's box in the locator's template: its outline is what moves
SCORE = 0.5  # of the lowest correlation among taught pictures: a bad part looks less like them


@dataclass(frozen=True, slots=True)
class Placement:
    """What was taught. Small pixels unless said otherwise."""

    width: int  # of the raw pictures
    height: int
    background: Image  # (h, w) grey: the empty nest, or one grey value
    threshold: float  # grey levels off the background that are foreground
    piece_min: float  # share of the picture: a smaller piece is no part
    share_min: float
    share_max: float
    template: Image  # (th, tw) grey: the part as taught
    left: int  # where the template lay
    top: int
    score_min: float  # correlation below which nothing was found


def small(image: Image) -> Image:
    """(h, w) grey copy with SIDE as its longest side."""
    grey = image if image.ndim == 2 else image[..., 1]  # green carries most of the luminance
    height, width = grey.shape
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(np.ascontiguousarray(grey), size, interpolation=cv2.INTER_AREA), np.uint8)


def present(look: Image, its: Placement) -> Reason | None:
    """Why this small copy does not show exactly one part; None: it does."""
    pieces, share = foreground(look, its.background, its.threshold)
    large = [piece for piece in pieces if piece >= its.piece_min]
    seen = f"{share:.1%} of the picture differs from the empty nest, taught were {its.share_min:.1%} to"
    seen = f"{seen} {its.share_max:.1%}"
    if not large or share < its.share_min:
        return Reason("empty_nest", f"no whole part: {seen}")
    if len(large) > 1:
        return Reason("two_parts", f"{len(large)} separate pieces of a part's size")
    if share > its.share_max:
        return Reason("two_parts", f"more than one part: {seen}")
    return None


def locate(look: Image, its: Placement, range_px: int) -> tuple[int, int] | Reason:
    """(right, down) in raw pixels from where the part was taught; why not, when it is not within `range_px`."""
    scale = its.width / look.shape[1]
    reach = int(np.ceil(range_px / scale)) + 1
    rows, columns = its.template.shape
    left, top = max(0, its.left - reach), max(0, its.top - reach)
    window = look[top : its.top + rows + reach, left : its.left + columns + reach]
    found = cv2.matchTemplate(window, its.template, cv2.TM_CCOEFF_NORMED)
    _, score, _, (x, y) = cv2.minMaxLoc(found)
    if not score >= its.score_min:
        return Reason(
            "not_located", f"nothing like the taught part: likeness {score:.2f}, at least {its.score_min:.2f}"
        )
    right = (left + x + peak(found[y], x) - its.left) * scale
    down = (top + y + peak(found[:, x], y) - its.top) * scale
    if max(abs(right), abs(down)) > range_px:
        moved = f"the part lies {right:+.0f}, {down:+.0f} px off its taught place"
        return Reason("not_located", f"{moved}, allowed are {range_px} px")
    return round(right), round(down)


def peak(values: Any, at: int) -> float:
    """Where between the neighbours of `at` a parabola through them has its top: -0.5 … 0.5."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, here, after = (float(values[k]) for k in (at - 1, at, at + 1))
    curve = before - 2 * here + after
    return 0.0 if curve >= 0 else max(-0.5, min(0.5, 0.5 * (before - after) / curve))


def foreground(look: Image, background: Image, threshold: float) -> tuple[list[float], float]:
    """Areas of all pieces and of the whole foreground, as shares of the picture; the largest first."""
    off = difference(look, background)
    mask = cv2.morphologyEx((off > threshold).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = sorted((float(area) / mask.size for area in stats[1:, cv2.CC_STAT_AREA]), reverse=True)
    return areas, float(mask.mean())


def difference(look: Image, background: Image) -> Image:
    """Grey levels off the background, after the light of this picture's border is made the background's."""
    signed = look.astype(np.int16) - background.astype(np.int16)
    return np.asarray(np.clip(np.abs(signed - np.int16(np.median(ring(signed)))), 0, 255), np.uint8)


def ring(values: Any) -> Any:
    """The border's values."""
    rows, columns = (max(1, round(RING * side)) for side in values.shape)
    middle = values[rows:-rows, :]
    return np.concatenate(
        [values[:rows].ravel(), values[-rows:].ravel(), middle[:, :columns].ravel(), middle[:, -columns:].ravel()]
    )


def teach(good: list[tuple[str, Image]], empty: list[Image]) -> Placement:
    """From (name, good picture) each with one part, and pictures of the empty nest, if any. Raises DataError."""
    shapes = {image.shape[:2] for _, image in good} | {image.shape[:2] for image in empty}
    if len(shapes) != 1:
        raise DataError(f"pictures of {len(shapes)} sizes", "one camera with one region gives one size")
    ((height, width),) = shapes
    looks = [small(image) for _, image in good]
    if empty:
        background = np.mean([small(image) for image in empty], axis=0).round().astype(np.uint8)
    else:
        level = np.median([np.median(ring(look)) for look in looks])
        background = np.full(looks[0].shape, round(float(level)), np.uint8)
    offs = np.concatenate([difference(look, background).ravel() for look in looks])
    threshold, _ = cv2.threshold(offs, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    if threshold < LEAST_CONTRAST:
        raise DataError(f"part and background differ by {threshold:.0f} grey levels", "another light or background")
    found = [foreground(look, background, threshold) for look in looks]
    if not all(pieces for pieces, _ in found):
        name = next(name for (name, _), (pieces, _) in zip(good, found, strict=True) if not pieces)
        raise DataError(f"{name}: nothing differs from the background", "remove it, or give pictures of the empty nest")
    piece_min = PIECE * min(pieces[0] for pieces, _ in found)
    for (name, _), (pieces, share) in zip(good, found, strict=True):
        if len([piece for piece in pieces if piece >= piece_min]) != 1:
            raise DataError(f"{name}: several pieces of a part's size", "one part a picture, on an even background")
        if share > MOST:
            raise DataError(f"{name}: the part fills the picture", "leave room around it, or do without this check")
    shares = [share for _, share in found]
    chosen = looks[int(np.argsort(shares)[len(shares) // 2])]
    left, top, template = part_box(chosen, background, threshold)
    scores = [float(cv2.matchTemplate(look, template, cv2.TM_CCOEFF_NORMED).max()) for look in looks]
    least, most = SHARE[0] * min(shares), min(1.0, SHARE[1] * max(shares))
    return Placement(
        width, height, background, float(threshold), piece_min, least, most, template, left, top, SCORE * min(scores)
    )  # fmt: skip


def part_box(look: Image, background: Image, threshold: float) -> tuple[int, int, Image]:
    """Left, top and content of the part's box with its margin."""
    mask = (difference(look, background) > threshold).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    x, y, width, height, _ = (int(v) for v in stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))])
    left, top = max(0, x - MARGIN), max(0, y - MARGIN)
    return left, top, look[top : y + height + MARGIN, left : x + width + MARGIN].copy()


def pack(its: Placement) -> bytes:
    """As a file's content: one .npz."""
    out = io.BytesIO()
    arrays: dict[str, Any] = asdict(its)
    np.savez(out, **arrays)
    return out.getvalue()


def unpack(name: str, data: bytes) -> Placement:
    """The reverse; no pickles. Raises DataError naming the file."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            values = {field: arrays[field] for field in Placement.__dataclass_fields__}
            kinds = {"background": np.uint8, "template": np.uint8}
            plain = {
                field: value.astype(kinds[field]) if field in kinds else value.item() for field, value in values.items()
            }
    except (ValueError, TypeError, KeyError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as err:
        raise DataError(f"{name}: no placement can be read from it", "make it again: jidoka recipe placement") from err
    return Placement(**plain)

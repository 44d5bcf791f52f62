"""Is a camera's picture still taken as it was taught? Light, focus, blur and a grey patch, against a reference; pure.

Each figure is a number without a unit that does not depend on what part is there, as far as that can be:

light      median over 4 × 4 fields of picture / reference: 1.0 is the taught light, 0.8 a fifth less
shading    largest difference of one field from that median: a lamp of several is out, a shadow, a dirty corner
contrast   standard deviation / mean
saturated  share of pixels at the top of the range
sharpness  gradient energy in four windows / their variance: focus, whatever the light
blur       log2 of the energy of vertical over horizontal edges: motion smears one and leaves the other
patch      mean of the grey patch / reference: the light alone, whatever part lies there

What it can't see: motion along a diagonal is loss of sharpness only; a change smaller than the spread of good parts is
none; a defect that covers many fields looks like light.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from vocabulary import DataError, Image, Reason

FIELDS = 4  # by FIELDS over the picture
SIDE = 128  # longest side of the small copy for light and contrast
WINDOW = 192  # pixels of each of the four windows for gradients: 4 × 192² take 0.3 ms (benchmarks.health)
TOP = 250  # from here a pixel of 8 bit counts as saturated
SPREAD = 8.0  # robust standard deviations of good pictures between the reference and a limit: generous, ours
LEAST_SHARE = 0.15  # of the reference at least, where good pictures hardly differ: lamps age by less in a year (ours)
LEAST_BLUR = 0.7  # octaves: motion over a fifth of an edge's width (synthetic pictures, tests)
LEAST_SATURATED = 0.02
MAD = 1.4826  # median absolute deviation → standard deviation of a normal one
VERSION = 1
Values = dict[str, float]
Region = tuple[int, int, int, int]
WORDS = {  # figure → (code, what to say) below its lower limit, above its upper
    "light": (("picture_dark", "light is at"), ("picture_bright", "light is at")),
    "shading": (None, ("light_uneven", "one field's light is off by")),
    "contrast": (("picture_flat", "contrast is"), None),
    "saturated": (None, ("picture_saturated", "saturated share is")),
    "sharpness": (("picture_blurred", "sharpness is"), None),
    "blur": (("picture_motion_blur", "edges across the motion are"), ("picture_motion_blur", "edges are")),
    "patch": (("grey_patch_off", "grey patch is at"), ("grey_patch_off", "grey patch is at")),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """One figure: as taught, and from where on the picture is not judged; None: that side has no limit."""

    taught: float
    low: float | None
    high: float | None

    def used(self, value: float) -> float:
        """How much of the way to a limit is used up: 0 as taught, 1 at the upper limit, −1 at the lower."""
        if value >= self.taught:
            return 0.0 if self.high is None else (value - self.taught) / max(self.high - self.taught, 1e-9)
        return 0.0 if self.low is None else -(self.taught - value) / max(self.taught - self.low, 1e-9)


@dataclass(frozen=True, slots=True)
class FrameHealth:
    """What was taught of one camera's pictures."""

    width: int
    height: int
    fields: list[float]  # mean grey of each, row by row
    patch: Region | None
    patch_mean: float
    limits: dict[str, Limits]

    def measure(self, image: Image) -> Values:
        """The figures of a picture (H, W) or (H, W, 3) of the taught size. Raises DataError: another size."""
        if image.shape[:2] != (self.height, self.width):
            size = f"{image.shape[1]}×{image.shape[0]}"
            raise DataError(f"picture has size {size}, health was taught on {self.width}×{self.height}", "teach again")
        values = figures(image)
        ratios = fields(image) / np.maximum(np.asarray(self.fields), 1.0)
        middle = float(np.median(ratios))
        values |= {"light": middle, "shading": float(np.abs(ratios - middle).max())}
        if self.patch is not None:
            values["patch"] = patch_mean(image, self.patch) / max(self.patch_mean, 1.0)
        return {name: round(value, 4) for name, value in values.items()}

    def check(self, values: Values) -> list[Reason]:
        """What is outside its limits."""
        found = []
        for name, value in values.items():
            its, (below, above) = self.limits[name], WORDS[name]
            if its.low is not None and value < its.low and below is not None:
                found.append(Reason(below[0], f"{below[1]} {value:.2f}, at least {its.low:.2f}"))
            if its.high is not None and value > its.high and above is not None:
                found.append(Reason(above[0], f"{above[1]} {value:.2f}, at most {its.high:.2f}"))
        return found


def grey_of(image: Image) -> Image:
    """(H, W): green carries most of the luminance."""
    return image if image.ndim == 2 else image[..., 1]


def small(image: Image) -> Image:
    """Grey copy with SIDE as its longest side."""
    grey = grey_of(image)
    step = max(1, max(grey.shape) // SIDE)  # every step-th pixel: no average may hide saturation
    return np.ascontiguousarray(grey[::step, ::step])


def fields(image: Image) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(FIELDS²,) mean grey, row by row."""
    return np.asarray(
        cv2.resize(small(image).astype(np.float32), (FIELDS, FIELDS), interpolation=cv2.INTER_AREA), np.float64
    ).ravel()


def figures(image: Image) -> Values:
    """Those that need no reference."""
    look = small(image)
    mean, deviation = cv2.meanStdDev(look)
    across = along = spread = 0.0
    for window in windows(grey_of(image)):
        across += float(cv2.norm(cv2.Sobel(window, cv2.CV_16S, 1, 0), cv2.NORM_L2SQR))
        along += float(cv2.norm(cv2.Sobel(window, cv2.CV_16S, 0, 1), cv2.NORM_L2SQR))
        spread += float(cv2.meanStdDev(window)[1][0, 0] ** 2) * window.size
    return {
        "contrast": float(deviation[0, 0] / max(mean[0, 0], 1.0)),
        "saturated": float((look >= TOP).mean()),
        "sharpness": float(np.log2((across + along + 1.0) / (spread + 1.0))),
        "blur": float(np.log2((across + 1.0) / (along + 1.0))),
    }


def windows(grey: Image) -> list[Image]:
    """Four pieces around the middle of the picture, of WINDOW pixels or what there is."""
    height, width = grey.shape
    side = min(WINDOW, height // 2, width // 2)
    tops = (height // 2 - side, height // 2)
    lefts = (width // 2 - side, width // 2)
    return [np.ascontiguousarray(grey[top : top + side, left : left + side]) for top in tops for left in lefts]


def patch_mean(image: Image, patch: Region) -> float:
    """Mean grey of the patch."""
    x, y, width, height = patch
    return float(grey_of(image)[y : y + height, x : x + width].mean())


def teach(pictures: list[tuple[str, Image]], patch: Region | None) -> FrameHealth:
    """The reference from good pictures of one size. Raises DataError naming the picture."""
    height, width = pictures[0][1].shape[:2]
    for name, image in pictures:
        if image.shape[:2] != (height, width):
            raise DataError(f"{name}: another size than the first one, {width}×{height}", "pictures of one camera")
    if patch is not None and (min(patch[:2]) < 0 or patch[0] + patch[2] > width or patch[1] + patch[3] > height):
        raise DataError(f"--patch {patch}: outside the picture of {width}×{height}", "x,y,width,height inside it")
    middle = [float(one) for one in np.median([fields(image) for _, image in pictures], axis=0)]
    level = float(np.median([patch_mean(image, patch) for _, image in pictures])) if patch else 0.0
    bare = FrameHealth(width, height, middle, patch, level, {})
    taught = [bare.measure(image) for _, image in pictures]
    return FrameHealth(
        width, height, middle, patch, level,
        {name: limits_of(name, np.array([values[name] for values in taught])) for name in taught[0]},
    )  # fmt: skip


def limits_of(name: str, values: np.ndarray[Any, np.dtype[np.float64]]) -> Limits:
    """SPREAD robust deviations to either side, never nearer than the floors, never inside what was taught."""
    middle = float(np.median(values))
    deviation = MAD * float(np.median(np.abs(values - middle)))
    least = {"blur": LEAST_BLUR, "sharpness": LEAST_BLUR, "saturated": LEAST_SATURATED, "shading": LEAST_SHARE}
    room = max(SPREAD * deviation, least.get(name, LEAST_SHARE * abs(middle)))
    below, above = WORDS[name]
    low = min(middle - room, float(values.min())) if below is not None else None
    high = max(middle + room, float(values.max())) if above is not None else None
    return Limits(round(middle, 4), low, high)


def pack(its: FrameHealth) -> bytes:
    """As a file that people can read."""
    return json.dumps({"version": VERSION, **asdict(its)}, indent=1).encode()


def unpack(name: str, data: bytes) -> FrameHealth:
    """A reference from its file. Raises DataError naming it."""
    try:
        found = json.loads(data)
        if found.pop("version") != VERSION:
            raise ValueError("another version")
        limits = {key: Limits(**value) for key, value in found.pop("limits").items() if key in WORDS}
        patch = found.pop("patch")
        its = FrameHealth(**found, limits=limits, patch=tuple(patch) if patch else None)
        numbers = [its.width, its.height, its.patch_mean, *its.fields, *(its.patch or ())]
        numbers += [
            one for limit in limits.values() for one in (limit.taught, limit.low, limit.high) if one is not None
        ]
        wanted = set(WORDS) - (set() if its.patch else {"patch"})
        if len(its.fields) != FIELDS**2 or not np.isfinite(numbers).all() or set(limits) != wanted:
            raise ValueError("figures are missing")
        return its
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise DataError(f"{name}: no health reference: {err}", "make it: jidoka recipe health") from err

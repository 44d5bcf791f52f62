"""Draws parts on a belt, with and without planted defects: a punched plate with brushed texture under drifting light.

Part k of a seed is always the same picture. A defective part and its good twin (defect_share 0) share scene and
noise, so they differ inside the mask only: the ground truth is exact by construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sin

import cv2
import numpy as np
import numpy.typing as npt

from vocabulary import Image

Layer = npt.NDArray[np.float32]  # (H, W), grey values before light and noise
DEFECTS = ("scratch", "spot", "missing_hole")
HOLES = ((-0.36, -0.24), (0.36, -0.24), (-0.36, 0.24), (0.36, 0.24))  # of the plate, in shares of the shorter side
PLATE, HOLE_RADIUS = (0.45, 0.33), 0.045  # half width, half height, radius, in the same unit
METAL, BELT, DARK = 150.0, 45.0, 30.0
TINT = np.array([1.0, 0.97, 0.92], np.float32)  # of the light, for colour pictures
LIGHT_PERIOD = 400  # parts from bright to bright
EDGE = 0.1  # cover below this is not drawn, so that the mask is what can be seen


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really on a rendered picture."""

    label: str  # ok or ng
    defect_type: str  # one of DEFECTS; empty on a good part
    mask: Image  # (H, W), 255 where the defect is
    boxes: list[tuple[int, int, int, int]]  # x, y, width, height


@dataclass(frozen=True, slots=True)
class Belt:
    """All parts of one seed."""

    seed: int
    width: int
    height: int
    channels: int
    defect_share: float

    def part(self, number: int) -> tuple[Image, Truth]:
        """Picture and truth of part `number`: (H, W) or (H, W, 3) RGB."""
        scene, fate = np.random.default_rng([self.seed, number, 0]), np.random.default_rng([self.seed, number, 1])
        defect = str(fate.choice(DEFECTS)) if fate.random() < self.defect_share else ""
        pose = self._pose(scene)
        plate = self._brushed(scene)
        punched = self._place(self._punch(plate), pose, scene)
        cover = np.zeros_like(plate)
        picture = punched
        if defect:
            drawn, other = self._defect(defect, fate, plate, punched, pose)
            cover = np.where(drawn > EDGE, drawn, np.float32(0))
            picture = punched + (other - punched) * cover
        image = self._expose(picture, number, scene)
        return image, truth_of(defect, cover)

    @property
    def _unit(self) -> float:
        return min(
            self.width / 0.95, self.height / 0.75
        )  # one unit of the drawing in pixels; the plate fits with a rim

    def _pose(self, chance: np.random.Generator) -> npt.NDArray[np.float64]:
        """Turned by about a degree and shifted by about a percent, as a guide rail leaves it."""
        centre = (self.width / 2, self.height / 2)
        pose: npt.NDArray[np.float64] = cv2.getRotationMatrix2D(centre, chance.normal(0, 1.0), 1.0).astype(np.float64)
        pose[:, 2] += chance.normal(0, 0.008, 2) * self._unit
        return pose

    def _brushed(self, chance: np.random.Generator) -> Layer:
        lines = chance.standard_normal((self.height, 1), np.float32) * 5
        grain = chance.standard_normal((self.height, self.width), np.float32)
        return np.asarray(METAL + lines + cv2.blur(grain, (15, 1)) * 12, np.float32)

    def _point(self, x: float, y: float) -> tuple[int, int]:
        """Drawing units to 1/16 pixels, which is what cv2 draws with shift=4."""
        return round((self.width / 2 + x * self._unit) * 16), round((self.height / 2 + y * self._unit) * 16)

    def _discs(self, centres: Sequence[tuple[float, float]], radius: float) -> Layer:
        cover = np.zeros((self.height, self.width), np.uint8)
        for centre in centres:
            cv2.circle(cover, self._point(*centre), round(radius * self._unit * 16), 255, -1, cv2.LINE_AA, 4)
        return np.asarray(cover / np.float32(255), np.float32)

    def _punch(self, plate: Layer) -> Layer:
        rims, holes = self._discs(HOLES, HOLE_RADIUS * 1.25), self._discs(HOLES, HOLE_RADIUS)
        layer = plate + (METAL + 50 - plate) * rims
        return np.asarray(layer + (DARK - layer) * holes, np.float32)

    def _place(self, plate: Layer, pose: npt.NDArray[np.float64], chance: np.random.Generator) -> Layer:
        """The plate, posed, on the belt."""
        body = np.zeros((self.height, self.width), np.uint8)
        cv2.rectangle(body, self._point(-PLATE[0], -PLATE[1]), self._point(*PLATE), 255, -1, cv2.LINE_AA, 4)
        cover = self._posed(np.asarray(body / np.float32(255), np.float32), pose)
        rubber = BELT + cv2.GaussianBlur(chance.standard_normal(plate.shape, np.float32), (5, 5), 0) * 12
        return np.asarray(rubber + (self._posed(plate, pose) - rubber) * cover, np.float32)

    def _posed(self, layer: Layer, pose: npt.NDArray[np.float64]) -> Layer:
        size = (self.width, self.height)
        return np.asarray(cv2.warpAffine(layer, pose, size, borderMode=cv2.BORDER_REPLICATE), np.float32)

    def _defect(
        self, kind: str, chance: np.random.Generator, plate: Layer, punched: Layer, pose: npt.NDArray[np.float64]
    ) -> tuple[Layer, Layer]:
        """How much of each pixel the defect covers (0 … 1), and what is seen there."""
        if kind == "missing_hole":
            hole = HOLES[chance.integers(len(HOLES))]
            return self._posed(self._discs([hole], HOLE_RADIUS * 1.3), pose), self._posed(plate, pose)
        x, y = chance.uniform(-0.28, 0.28), chance.uniform(-0.2, 0.2)
        if kind == "spot":
            drawn = self._discs([(x, y)], chance.uniform(0.012, 0.035))
            drawn = np.asarray(cv2.GaussianBlur(drawn, (0, 0), 0.006 * self._unit), np.float32)
            return self._posed(drawn, pose), punched - np.float32(chance.uniform(35, 90))
        return self._posed(self._scratch(x, y, chance), pose), punched + np.float32(chance.uniform(35, 80))

    def _scratch(self, x: float, y: float, chance: np.random.Generator) -> Layer:
        """A thin line that bends a little."""
        cover = np.zeros((self.height, self.width), np.uint8)
        direction, step = chance.uniform(0, 2 * pi), chance.uniform(0.02, 0.05)
        points = [(x, y)]
        for _ in range(5):
            direction += chance.normal(0, 0.25)
            x, y = x + step * np.cos(direction), y + step * np.sin(direction)
            points.append((float(np.clip(x, -0.4, 0.4)), float(np.clip(y, -0.29, 0.29))))
        line = np.array([self._point(*point) for point in points], np.int32)
        cv2.polylines(cover, [line], False, 255, max(1, round(0.004 * self._unit)), cv2.LINE_AA, 4)
        return np.asarray(cover / np.float32(255), np.float32)

    def _expose(self, picture: Layer, number: int, chance: np.random.Generator) -> Image:
        """Drifting light, darker corners, sensor noise."""
        light = 1 + 0.06 * sin(2 * pi * number / LIGHT_PERIOD) + chance.normal(0, 0.01)
        x = np.linspace(-1, 1, self.width, dtype=np.float32)[None, :]
        y = np.linspace(-1, 1, self.height, dtype=np.float32)[:, None]
        seen = picture * (np.float32(light) * (1 - np.float32(0.08) * (x * x + y * y)))
        seen = seen + chance.standard_normal(picture.shape, np.float32) * 2
        if self.channels == 3:
            seen = seen[:, :, None] * TINT
        return np.asarray(np.clip(seen + 0.5, 0, 255), np.uint8)


def truth_of(defect: str, cover: Layer) -> Truth:
    """Label, mask and boxes of what was drawn."""
    mask = np.asarray((cover > 0) * np.uint8(255), np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    boxes = [(int(x), int(y), int(w), int(h)) for x, y, w, h, _ in stats[1:count]]
    return Truth("ng" if defect else "ok", defect, mask, boxes)

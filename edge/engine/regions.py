"""A tool may look at a part of the picture: cut out before, put back in place after."""

import numpy as np

from edge.recipe import Tool
from vocabulary import Image, InspectionError, ScoreMap

Offset = tuple[int, int]  # right, down: from where the part was taught, pixels of the raw picture


class RegionOutside(InspectionError):
    """Camera and recipe disagree on the picture's size."""


def shifted(tool: Tool, offset: Offset) -> Tool:
    """The tool with its region where the part is."""
    if tool.region is None or offset == (0, 0):
        return tool
    x, y, width, height = tool.region
    return tool.model_copy(update={"region": (x + offset[0], y + offset[1], width, height)})


def seen(tool: Tool, image: Image) -> Image:
    """What the tool looks at, a view. Raises RegionOutside."""
    if tool.region is None:
        return image
    x, y, width, height = tool.region
    if min(x, y) < 0 or y + height > image.shape[0] or x + width > image.shape[1]:
        where = f"region {x}, {y}, {width} × {height} lies outside the picture of {image.shape[1]} × {image.shape[0]}"
        raise RegionOutside(f"tool {tool.name}: {where}", "mend the recipe's region or the camera's")
    return image[y : y + height, x : x + width]


def whole(tool: Tool, scores: ScoreMap, shape: tuple[int, ...]) -> ScoreMap:
    """A region's map inside one of the whole picture (H, W, …) at the same scale; 0 where nobody looked."""
    if tool.region is None:
        return scores
    x, y, width, height = tool.region
    rows, columns = scores.shape
    down, across = rows / height, columns / width
    full = np.zeros((round(shape[0] * down), round(shape[1] * across)), np.float32)
    top, left = min(round(y * down), full.shape[0] - rows), min(round(x * across), full.shape[1] - columns)
    full[top : top + rows, left : left + columns] = scores
    return full

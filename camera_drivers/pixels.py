"""One converter for what cameras send: PFNC pixel formats → (H, W) mono or (H, W, 3) RGB, 8 bit."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from vocabulary import Image, Unsupported

Bytes = npt.NDArray[np.uint8]
CONVERTERS: dict[str, Callable[[Bytes, int, int], Image]] = {
    "Mono8": lambda data, width, height: data[: width * height].reshape(height, width),
    "RGB8": lambda data, width, height: data[: 3 * width * height].reshape(height, width, 3),
    "BGR8": lambda data, width, height: np.asarray(
        cv2.cvtColor(data[: 3 * width * height].reshape(height, width, 3), cv2.COLOR_BGR2RGB), np.uint8
    ),
}


def to_image(data: Bytes, pixel_format: str, width: int, height: int, device: str = "camera") -> Image:
    """The picture in a flat buffer of a PFNC format. May be a view of `data`. Raises Unsupported: format not known."""
    if pixel_format not in CONVERTERS:
        raise Unsupported(device, f"pixel format {pixel_format}", f"one of {', '.join(CONVERTERS)}")
    return CONVERTERS[pixel_format](data, width, height)

"""Reads one picture as it will be judged: 8-bit mono or RGB, or a refusal that names the file."""

from pathlib import Path

import cv2
import numpy as np

from datasets.headers import Header, header
from vocabulary import DataError, Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
MOST_PIXELS = 100_000_000  # far above any area camera
Region = tuple[int, int, int, int]  # x, y, width, height in pixels
MOST_BYTES = 512 << 20  # of a file: MOST_PIXELS in colour, uncompressed, and some


def load(path: Path) -> Image:
    """(H, W) mono or (H, W, 3) RGB, uint8; palette and alpha are resolved. Raises DataError naming the file."""
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise DataError(f"{path}: {size >> 20} MiB", f"at most {MOST_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as err:
        raise DataError(f"{path}: {err.strerror}", "name a readable picture") from err
    refuse_unsuitable(path, header(data))
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as err:
        raise DataError(f"{path}: cannot be decoded", "replace or remove the file") from err
    if image is None:
        raise DataError(f"{path}: no picture can be read from it", "replace or remove the file")
    if image.dtype != np.uint8:
        raise DataError(f"{path}: {image.dtype.itemsize * 8}-bit picture", "convert it to 8 bit per channel")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return np.asarray(image, np.uint8)


def cut(image: Image, region: Region | None, path: Path) -> Image:
    """The region of a picture, (h, w) or (h, w, 3). Raises DataError when it lies outside."""
    if region is None:
        return image
    x, y, width, height = region
    if y + height > image.shape[0] or x + width > image.shape[1]:
        raise DataError(
            f"{path}: region {x}, {y}, {width} × {height} lies outside its {image.shape[1]} × {image.shape[0]} pixels",
            "x,y,width,height inside every picture",
        )
    return image[y : y + height, x : x + width]


def refuse_unsuitable(path: Path, found: Header | None) -> None:
    """What the file's header already rules out, before decoding fills the memory. Raises DataError."""
    if found is None:
        raise DataError(f"{path}: no picture can be read from it", "a whole PNG, JPEG, BMP or TIFF file")
    if not 0 < found.width * found.height <= MOST_PIXELS:
        raise DataError(f"{path}: {found.width}×{found.height} pixels", f"at most {MOST_PIXELS}")
    if found.several:
        raise DataError(f"{path}: several pages or frames", "save each as a file of its own")
    if found.cmyk:
        raise DataError(f"{path}: CMYK colours", "save it as RGB or grey")


def load_mask(path: Path, shape: tuple[int, int]) -> Image:
    """(H, W) uint8 of 0 and 1. Raises DataError when it is of another size than its picture."""
    image = load(path)
    mask = (image if image.ndim == 2 else image.max(axis=2)) > 127
    if mask.shape != shape:
        raise DataError(
            f"{path}: mask {mask.shape[1]}×{mask.shape[0]}, picture {shape[1]}×{shape[0]}", "make them equal"
        )
    return mask.astype(np.uint8)

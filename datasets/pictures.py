"""Reads one picture as it will be judged: 8-bit mono or RGB, or a refusal that names the file."""

from pathlib import Path

import cv2
import numpy as np

from vocabulary import DataError, Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
MOST_PIXELS = 100_000_000  # refused before decoding fills the memory; far above any area camera


def load(path: Path) -> Image:
    """(H, W) mono or (H, W, 3) RGB, uint8; palette and alpha are resolved. Raises DataError naming the file."""
    try:
        data = path.read_bytes()
    except OSError as err:
        raise DataError(f"{path}: {err.strerror}", "name a readable picture") from err
    if is_cmyk_jpeg(data):
        raise DataError(f"{path}: CMYK colours", "save it as RGB or grey")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise DataError(f"{path}: no picture can be read from it", "replace or remove the file")
    if image.dtype != np.uint8:
        raise DataError(f"{path}: {image.dtype.itemsize * 8}-bit picture", "convert it to 8 bit per channel")
    if image.shape[0] * image.shape[1] > MOST_PIXELS:
        raise DataError(f"{path}: {image.shape[1]}×{image.shape[0]} pixels", f"at most {MOST_PIXELS}")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return np.asarray(image, np.uint8)


def load_mask(path: Path, shape: tuple[int, int]) -> Image:
    """(H, W) uint8 of 0 and 1. Raises DataError when it is of another size than its picture."""
    image = load(path)
    mask = (image if image.ndim == 2 else image.max(axis=2)) > 127
    if mask.shape != shape:
        raise DataError(
            f"{path}: mask {mask.shape[1]}×{mask.shape[0]}, picture {shape[1]}×{shape[0]}", "make them equal"
        )
    return mask.astype(np.uint8)


def is_cmyk_jpeg(data: bytes) -> bool:
    """A JPEG whose frame header (SOFn, ITU-T T.81 B.2.2) announces four components."""
    if data[:2] != b"\xff\xd8":
        return False
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[at + 9] == 4
        at += 2 + length
    return False

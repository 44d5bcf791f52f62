"""One converter for what cameras send: PFNC pixel formats → (H, W) mono or (H, W, 3) RGB, 8 bit.

10 to 16 bit are brought to 8 by their most significant bits: a recipe is taught and judged on the same 8 bits. Bits
above the named ones (PFNC: zero) are ignored. Without a stride the picture is one unbroken row of bits, also where a
packed line ends inside a byte (GigE Vision); with a stride each line begins on its own byte.

Sources: GenICam Pixel Format Naming Convention 2.1 ("p": least significant bit first; a Bayer name gives the first two
pixels of the first line); GigE Vision 1.x, GVSP pixel formats ("Packed": 2 pixels in 3 bytes, the middle one holds the
low bits of both; the layout as Basler's ace GigE user's manual AW00089316 prints it, section 9.3). YUV and YCbCr fill
0..255 with BT.601's factors (the same manual, section 8.1); the 16..235 ones (YCbCr601_…, YCbCr709_…) are refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vocabulary import DeviceTimeout, Image, Unsupported

Bytes = npt.NDArray[np.uint8]
Unpack = Callable[[Bytes, int], Bytes]  # (lines, bytes of a line), samples of a line → (lines, samples), top 8 bits
Paint = Callable[[Bytes, int, int, Bytes | None], Image]  # samples, width, height, out → picture


@dataclass(frozen=True, slots=True)
class Format:
    """How one pixel format lies in memory."""

    bits: int  # of one sample, as stored
    samples: tuple[int, int]  # so many samples … for so many pixels
    unpack: Unpack
    paint: Paint
    colour: bool
    step: tuple[int, int] = (1, 1)  # width and height are multiples of this
    least: int = 1  # narrower or lower than this the picture can't be computed


# ── bits → the top 8 of each sample ──────────────────────────────────────────────────────────────────────────────────
def bytewise(lines: Bytes, samples: int) -> Bytes:
    """8 bit."""
    return lines[:, :samples]


def two_bytes(bits: int) -> Unpack:
    """10 to 16 bit in the low end of two bytes, little endian."""

    def unpack(lines: Bytes, samples: int) -> Bytes:
        top = np.empty((len(lines), samples), np.uint8)
        np.right_shift(lines.view("<u2")[:, :samples], bits - 8, out=top, casting="unsafe")
        return top

    return unpack


def lsb_packed(bits: int) -> Unpack:
    """PFNC "p": 10 bit (4 samples in 5 bytes) or 12 bit (2 in 3), least significant bit first, no gaps."""
    samples_each, bytes_each = {10: (4, 5), 12: (2, 3)}[bits]

    def unpack(lines: Bytes, samples: int) -> Bytes:
        groups = in_groups(lines, bytes_each)
        top = np.empty((*groups.shape[:2], samples_each), np.uint8)
        for index in range(samples_each):
            byte, shift = divmod(bits * index + bits - 8, 8)  # where its top 8 bits begin
            top[:, :, index] = groups[:, :, byte] >> shift
            if shift:
                top[:, :, index] |= groups[:, :, byte + 1] << (8 - shift)
        return top.reshape(len(lines), -1)[:, :samples]

    return unpack


def gige_packed(lines: Bytes, samples: int) -> Bytes:
    """GigE Vision 1.x "Packed", 10 and 12 bit alike: the first and third byte hold the top 8 bits of two pixels."""
    groups = in_groups(lines, 3)
    top = np.empty((*groups.shape[:2], 2), np.uint8)
    top[:, :, 0], top[:, :, 1] = groups[:, :, 0], groups[:, :, 2]
    return top.reshape(len(lines), -1)[:, :samples]


def in_groups(lines: Bytes, size: int) -> Bytes:
    """(lines, groups, bytes of a group); a last group that is not full ends with zeros."""
    missing = -lines.shape[1] % size
    whole = np.pad(lines, ((0, 0), (0, missing))) if missing else lines
    return whole.reshape(len(lines), -1, size)


# ── samples → picture ────────────────────────────────────────────────────────────────────────────────────────────────
def mono(samples: Bytes, width: int, height: int, out: Bytes | None) -> Image:
    """Grey as it is."""
    return samples.reshape(height, width)


def as_rgb(samples: Bytes, width: int, height: int, out: Bytes | None) -> Image:
    """Colour as it is."""
    return samples.reshape(height, width, 3)


def through(code: int, channels: int) -> Paint:
    """A conversion of OpenCV; `channels` samples for each pixel."""
    shape = (channels,) if channels > 1 else ()

    def paint(samples: Bytes, width: int, height: int, out: Bytes | None) -> Image:
        return converted(samples.reshape(height, width, *shape), code, out)

    return paint


def subsampled(order: str) -> Paint:
    """Y for each pixel, U and V for each `order.count("Y")` pixels, in this order; full range."""
    luma = [index for index, name in enumerate(order) if name == "Y"]
    source = {"Y": luma, "V": [order.index("V")] * len(luma), "U": [order.index("U")] * len(luma)}

    def paint(samples: Bytes, width: int, height: int, out: Bytes | None) -> Image:
        groups = samples.reshape(height, -1, len(order))
        planes = {name: np.empty((height, width), np.uint8) for name in source}
        for name, places in source.items():
            for pixel, place in enumerate(places):
                planes[name][:, pixel :: len(luma)] = groups[:, :, place]
        return converted(
            np.asarray(cv2.merge([planes["Y"], planes["V"], planes["U"]]), np.uint8), cv2.COLOR_YCrCb2RGB, out
        )

    return paint


def nv12(samples: Bytes, width: int, height: int, out: Bytes | None) -> Image:
    """A plane of Y, then U and V in turn for 2 x 2 pixels; 16..235 as V4L2 has it by default."""
    return converted(samples.reshape(height * 3 // 2, width), cv2.COLOR_YUV2RGB_NV12, out)


def converted(picture: Bytes, code: int, out: Bytes | None) -> Image:
    """OpenCV's conversion, into `out` where there is one."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), code, dst=out), np.uint8)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────
UNPACK: dict[str, tuple[int, Unpack]] = {  # ending of a name → bits as stored, how
    "8": (8, bytewise),
    "10": (16, two_bytes(10)),
    "12": (16, two_bytes(12)),
    "14": (16, two_bytes(14)),
    "16": (16, two_bytes(16)),
    "10p": (10, lsb_packed(10)),
    "12p": (12, lsb_packed(12)),
    "10Packed": (12, gige_packed),
    "12Packed": (12, gige_packed),
}
BAYER = {  # OpenCV's own Bayer names are shifted by one pixel against PFNC (its BayerBG is RGGB); these are not
    "RG": cv2.COLOR_BayerRGGB2RGB,
    "GR": cv2.COLOR_BayerGRBG2RGB,
    "GB": cv2.COLOR_BayerGBRG2RGB,
    "BG": cv2.COLOR_BayerBGGR2RGB,
}
SUBSAMPLED = {  # PFNC 2.1; the ids agree with the older GigE names in ALIASES
    "YUV422_8": "YUYV",
    "YUV422_8_UYVY": "UYVY",
    "YUV411_8_UYYVYY": "UYYVYY",
    "YCbCr422_8": "YUYV",
    "YCbCr422_8_CbYCrY": "UYVY",
    "YCbCr411_8_CbYYCrYY": "UYYVYY",
}
ALIASES = {  # GigE Vision 1.x and pylon → PFNC
    "RGB8Packed": "RGB8",
    "BGR8Packed": "BGR8",
    "RGBA8Packed": "RGBa8",
    "BGRA8Packed": "BGRa8",
    "YUV422Packed": "YUV422_8_UYVY",
    "YUV422_YUYV_Packed": "YUV422_8",
    "YUV411Packed": "YUV411_8_UYYVYY",
}
FORMATS: dict[str, Format] = {
    **{f"Mono{end}": Format(bits, (1, 1), how, mono, colour=False) for end, (bits, how) in UNPACK.items()},
    **{
        f"Bayer{first}{end}": Format(bits, (1, 1), how, through(code, 1), colour=True, least=3)
        for first, code in BAYER.items()
        for end, (bits, how) in UNPACK.items()
        if end != "14"
    },
    "RGB8": Format(8, (3, 1), bytewise, as_rgb, colour=True),
    "BGR8": Format(8, (3, 1), bytewise, through(cv2.COLOR_BGR2RGB, 3), colour=True),
    "RGBa8": Format(8, (4, 1), bytewise, through(cv2.COLOR_RGBA2RGB, 4), colour=True),
    "BGRa8": Format(8, (4, 1), bytewise, through(cv2.COLOR_BGRA2RGB, 4), colour=True),
    **{
        name: Format(8, (len(order), order.count("Y")), bytewise, subsampled(order), True, (order.count("Y"), 1))
        for name, order in SUBSAMPLED.items()
    },
    "NV12": Format(8, (3, 2), bytewise, nv12, colour=True, step=(2, 2)),
}
NAMES = (*FORMATS, *ALIASES)


# ── the converter ────────────────────────────────────────────────────────────────────────────────────────────────────
def to_image(
    data: Bytes,
    pixel_format: str,
    width: int,
    height: int | None,
    device: str = "camera",
    *,
    stride: int | None = None,
    out: Bytes | None = None,
) -> Image:
    """The picture in a flat buffer. Without `out` it may be a view of `data`.

    Args:
        data: what came; bytes behind the picture are ignored.
        height: None: as many whole lines as came (line scan).
        stride: bytes from one line to the next; None: nothing lies between lines.
        out: where the picture goes, of the shape that `image_shape` gives.

    Raises:
        Unsupported: a format that is not known, a size or a stride that it can't have.
        DeviceTimeout: fewer bytes than the picture needs: an incomplete frame.
        ValueError: `out` has another shape.
    """
    form = known(pixel_format, device)
    if height is None:
        height = lines_in(data.size, form, width, stride)
    check(data.size, form, f"{pixel_format} of {width} x {height}", width, height, stride, device)
    shape = image_shape(pixel_format, width, height, device)
    if out is not None and (out.shape != shape or out.dtype != np.uint8):
        raise ValueError(f"out is {out.shape} {out.dtype}, the picture is {shape} uint8")
    rows, samples, row_bytes = memory_rows(form, width, height, stride)
    lines: Bytes = np.ndarray((rows, row_bytes), np.uint8, data, strides=(stride or row_bytes, 1))
    image = form.paint(form.unpack(lines, samples), width, height, out)
    if out is None or image is out:
        return image
    np.copyto(out, image)
    return out


def image_shape(pixel_format: str, width: int, height: int, device: str = "camera") -> tuple[int, ...]:
    """The shape of the picture that `to_image` makes. Raises Unsupported: format not known."""
    return (height, width, 3) if known(pixel_format, device).colour else (height, width)


def known(pixel_format: str, device: str) -> Format:
    """The format of a name. Raises Unsupported."""
    form = FORMATS.get(ALIASES.get(pixel_format, pixel_format))
    if form is None:
        raise Unsupported(device, f"pixel format {pixel_format}", f"one of {', '.join(NAMES)}")
    return form


def check(size: int, form: Format, what: str, width: int, height: int, stride: int | None, device: str) -> None:
    """Refuse what holds no such picture. Raises DeviceTimeout, Unsupported."""
    rows, _, row_bytes = memory_rows(form, width, height, stride)
    need = max(0, rows - 1) * (stride or row_bytes) + row_bytes  # nothing need follow the last line
    if width < 1 or height < 1 or size < need:
        remedy = "check cable, bandwidth and picture size"
        raise DeviceTimeout(device, f"incomplete picture: {size} bytes, {what} needs {max(need, 1)}", remedy)
    if width % form.step[0] or height % form.step[1] or min(width, height) < form.least:
        remedy = f"at least {form.least} pixels, width and height multiples of {form.step[0]} and {form.step[1]}"
        raise Unsupported(device, what, remedy)
    if stride is not None and stride < row_bytes:
        raise Unsupported(device, f"{what} in lines of {stride} bytes", f"at least {row_bytes}")


def memory_rows(form: Format, width: int, height: int, stride: int | None) -> tuple[int, int, int]:
    """Rows as they lie in memory, samples of a row, bytes of a row. Without a stride the picture is one row."""
    many, each = form.samples
    if stride is None:
        samples = width * height * many // each
        return 1, samples, -(-samples * form.bits // 8)
    if form.paint is nv12:  # its second plane has half the lines
        return height * 3 // 2, width, width
    samples = width * many // each
    return height, samples, -(-samples * form.bits // 8)


def lines_in(size: int, form: Format, width: int, stride: int | None) -> int:
    """How many whole lines of the picture came."""
    many, each = form.samples
    if stride is None:
        lines = size * 8 * each // max(1, width * many * form.bits)
    else:
        rows = (size - memory_rows(form, width, 2, stride)[2]) // max(1, stride) + 1  # the last may lack its padding
        lines = rows * 2 // 3 if form.paint is nv12 else rows
    return max(0, lines - lines % form.step[1])

"""What a picture file says of itself before anything is decoded: size, pages, colours. Four formats, no others."""

import struct
from dataclasses import dataclass

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Header:
    """Width and height in pixels; several pages or frames; CMYK or another four-ink space."""

    width: int
    height: int
    several: bool = False
    cmyk: bool = False


def header(data: bytes) -> Header | None:
    """The header of a PNG, JPEG, BMP or TIFF; None for anything else or a broken one."""
    try:
        if data[:8] == PNG:
            return png(data)
        if data[:2] == b"\xff\xd8":
            return jpeg(data)
        if data[:2] == b"BM":
            width, height = struct.unpack_from("<ii", data, 18)  # height is negative when rows run downwards
            return Header(abs(width), abs(height))
        if data[:4] in (b"II*\0", b"MM\0*"):
            return tiff(data, "<" if data[:2] == b"II" else ">")
    except (struct.error, KeyError, IndexError):
        return None
    return None


def png(data: bytes) -> Header:
    """IHDR; an acTL chunk before the first IDAT makes it an animation (W3C PNG 3rd edition, 11.3.6)."""
    width, height = struct.unpack_from(">II", data, 16)
    at, several = 8, False
    while data[at + 4 : at + 8] not in (b"IDAT", b""):
        several |= data[at + 4 : at + 8] == b"acTL"
        at += 12 + int(struct.unpack_from(">I", data, at)[0])
    return Header(width, height, several)


def jpeg(data: bytes) -> Header | None:
    """The frame header SOFn (ITU-T T.81 B.2.2)."""
    at = 2
    while data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, components = struct.unpack_from(">HHB", data, at + 5)
            return Header(width, height, cmyk=components == 4)
        at += 1 if marker == 0xFF else 2 + length  # any number of fill bytes may precede a marker
    return None


def tiff(data: bytes, order: str) -> Header:
    """Tags 256 width, 257 height, 262 colours (5: separated inks) of the first page (TIFF 6.0, section 8)."""
    (first,) = struct.unpack_from(order + "I", data, 4)
    tags, following = page(data, order, first)
    return Header(tags[256], tags[257], several=following != 0, cmyk=tags.get(262) == 5)


def page(data: bytes, order: str, at: int) -> tuple[dict[int, int], int]:
    """Short and long tags of a page, and where the next page is."""
    (count,) = struct.unpack_from(order + "H", data, at)
    tags = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, _ = struct.unpack_from(order + "HHI", data, entry)
        if kind in (3, 4):
            (tags[tag],) = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + 8)
    (following,) = struct.unpack_from(order + "I", data, at + 2 + 12 * count)
    return tags, following

"""The converter against slow references written here, bit by bit, from the standards and not from its code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_drivers.pixels import ALIASES, FORMATS, NAMES, to_image
from vocabulary import DeviceTimeout, Image, Unsupported

UNPACKED = {"8": 8, "10": 10, "12": 12, "14": 14, "16": 16}
LSB_PACKED = {"10p": 10, "12p": 12}
GIGE_PACKED = {"10Packed": 10, "12Packed": 12}
DEPTHS = UNPACKED | LSB_PACKED | GIGE_PACKED
FILTERS = {"RG": "RGGB", "GR": "GRBG", "GB": "GBRG", "BG": "BGGR"}  # PFNC: the first two lines of the sensor
INTERLEAVED = {
    "RGB8": "RGB", "BGR8": "BGR", "RGBa8": "RGBa", "BGRa8": "BGRa",
    "RGB8Packed": "RGB", "BGR8Packed": "BGR", "RGBA8Packed": "RGBa", "BGRA8Packed": "BGRa",
}  # fmt: skip
SUBSAMPLED = {
    "YUV422_8": "YUYV", "YUV422_YUYV_Packed": "YUYV", "YCbCr422_8": "YUYV",
    "YUV422_8_UYVY": "UYVY", "YUV422Packed": "UYVY", "YCbCr422_8_CbYCrY": "UYVY",
    "YUV411_8_UYYVYY": "UYYVYY", "YUV411Packed": "UYYVYY", "YCbCr411_8_CbYYCrYY": "UYYVYY",
}  # fmt: skip
MONO = [f"Mono{end}" for end in DEPTHS]
BAYER = [f"Bayer{first}{end}" for first in FILTERS for end in DEPTHS if end != "14"]


def test_every_format_of_the_table_is_tested_here() -> None:
    assert set(NAMES) == {*MONO, *BAYER, *INTERLEAVED, *SUBSAMPLED, "NV12"}
    assert set(ALIASES) & set(FORMATS) == set()


# ── references: whole numbers and lists, nothing clever ──────────────────────────────────────────────────────────────
def packed(values: list[int], ending: str) -> bytes:
    """Samples → bytes as the standard of this ending says."""
    if ending == "8":
        return bytes(values)
    if ending in UNPACKED:
        return b"".join(value.to_bytes(2, "little") for value in values)
    bits = DEPTHS[ending]
    if ending in LSB_PACKED:  # PFNC: one long number, the first sample in its lowest bits
        whole = sum(value << (bits * index) for index, value in enumerate(values))
        return whole.to_bytes((len(values) * bits + 7) // 8, "little")
    out = []
    low = (1 << (bits - 8)) - 1
    for first, second in zip(values[::2], [*values[1::2], None][: len(values[::2])], strict=True):  # GigE Vision 1.x
        out += [first >> (bits - 8), first & low]
        if second is not None:
            out[-1] |= (second & low) << 4
            out.append(second >> (bits - 8))
    return bytes(out)


def lines_of(rows: list[list[int]], ending: str, padding: int | None) -> tuple[bytes, int | None]:
    """The picture in memory and its stride; padding None: one unbroken row."""
    if padding is None:
        return packed([value for row in rows for value in row], ending), None
    lines = [packed(row, ending) for row in rows]
    return (b"\xaa" * padding).join(lines), len(lines[0]) + padding  # nothing behind the last line


def as_array(data: bytes) -> Image:
    return np.frombuffer(data, np.uint8)


@st.composite
def pictures(draw: st.DrawFn, ending: str, least: int = 1) -> tuple[list[list[int]], int | None]:
    width, height = draw(st.integers(least, 9)), draw(st.integers(least, 6))
    value = st.integers(0, (1 << DEPTHS[ending]) - 1)
    rows = draw(st.lists(st.lists(value, min_size=width, max_size=width), min_size=height, max_size=height))
    padding = draw(st.sampled_from([None, 0, 2, 4, 6]))  # two-byte samples begin on even bytes
    return rows, padding


def same(image: Image, truth: list[list[int]] | np.ndarray) -> None:
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, truth)


# ── mono ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("ending", DEPTHS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_mono_keeps_the_top_eight_bits(ending: str, data: st.DataObject) -> None:
    rows, padding = data.draw(pictures(ending))
    raw, stride = lines_of(rows, ending, padding)
    truth = [[value >> (DEPTHS[ending] - 8) for value in row] for row in rows]
    width, height = len(rows[0]), len(rows)
    same(to_image(as_array(raw), f"Mono{ending}", width, height, stride=stride), truth)
    same(to_image(as_array(raw + b"\xff" * 5), f"Mono{ending}", width, height, stride=stride), truth)  # more than asked
    out = np.empty((height, width), np.uint8)
    assert to_image(as_array(raw), f"Mono{ending}", width, height, stride=stride, out=out) is out
    same(out, truth)


@pytest.mark.parametrize("name", NAMES)
@given(missing=st.integers(1, 30), padding=st.sampled_from([None, 4]))
@settings(max_examples=10, deadline=None)
def test_one_byte_too_few_is_an_incomplete_picture(name: str, missing: int, padding: int | None) -> None:
    width, height = 8, 4
    need, stride = size_in_bytes(name, width, height, padding)
    whole = np.zeros(need, np.uint8)
    to_image(whole, name, width, height, stride=stride)
    with pytest.raises(
        DeviceTimeout, match=f"top: incomplete picture: {need - missing} bytes, {name} of 8 x 4 needs {need}"
    ):
        to_image(whole[:-missing], name, width, height, "top", stride=stride)


def size_in_bytes(name: str, width: int, height: int, padding: int | None) -> tuple[int, int | None]:
    """Width 8 and height 4, so that each line ends with a byte."""
    bits = {"NV12": 8, **{one: 8 * len(order) for one, order in INTERLEAVED.items()}}.get(name)
    if name in SUBSAMPLED:
        bits = 8 * len(SUBSAMPLED[name]) // SUBSAMPLED[name].count("Y")
    for ending in DEPTHS:
        if name in (f"Mono{ending}", *(f"Bayer{first}{ending}" for first in FILTERS)):
            bits = 8 if ending == "8" else 16 if ending in UNPACKED else 12 if ending in GIGE_PACKED else DEPTHS[ending]
    assert bits is not None
    line, rows = width * bits // 8, height * 3 // 2 if name == "NV12" else height
    return (line * rows, None) if padding is None else (line * rows + padding * (rows - 1), line + padding)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_the_height_of_a_line_scan_picture_is_what_came(name: str, data: st.DataObject) -> None:
    height = 2 * data.draw(st.integers(2, 6))
    need, stride = size_in_bytes(name, 8, height, data.draw(st.sampled_from([None, 4])))
    more = data.draw(st.integers(0, 7))  # less than a line
    raw = np.random.default_rng(height).integers(0, 256, need + more, np.uint8)
    image = to_image(raw, name, 8, None, stride=stride)
    assert image.shape[:2] == (height, 8)
    same(image, to_image(raw, name, 8, height, stride=stride))
    with pytest.raises(DeviceTimeout, match="incomplete"):
        to_image(raw[:7], name, 8, None, stride=stride)


# ── Bayer ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", BAYER)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_bayer_measured_colours_stay_and_missing_ones_lie_between_their_neighbours(
    name: str, data: st.DataObject
) -> None:
    """A truth for each pixel that no demosaic may break: what was measured, and the range of what was near."""
    first, ending = name[5:7], name[7:]
    rows, padding = data.draw(pictures(ending, least=5))
    raw, stride = lines_of(rows, ending, padding)
    image = to_image(as_array(raw), name, len(rows[0]), len(rows), stride=stride).astype(int)
    top = [[value >> (DEPTHS[ending] - 8) for value in row] for row in rows]
    for y in range(1, len(rows) - 1):
        for x in range(1, len(rows[0]) - 1):
            near = [(v, u) for v in (y - 1, y, y + 1) for u in (x - 1, x, x + 1)]
            for channel, colour in enumerate("RGB"):
                seen = [top[v][u] for v, u in near if FILTERS[first][v % 2 * 2 + u % 2] == colour]
                if FILTERS[first][y % 2 * 2 + x % 2] == colour:
                    assert image[y, x, channel] == top[y][x]
                else:
                    assert min(seen) <= image[y, x, channel] <= max(seen)


@pytest.mark.parametrize("name", BAYER)
@pytest.mark.parametrize("colour", ["R", "G", "B"])
def test_a_surface_of_one_colour_comes_out_in_that_colour(name: str, colour: str) -> None:
    """A sensor that looks at a red wall: 200 under red filters, 10 under the others."""
    first, ending = name[5:7], name[7:]
    shift = DEPTHS[ending] - 8
    rows = [[(200 if FILTERS[first][y % 2 * 2 + x % 2] == colour else 10) << shift for x in range(8)] for y in range(6)]
    image = to_image(as_array(packed([value for row in rows for value in row], ending)), name, 8, 6)
    same(image, np.broadcast_to([200 if one == colour else 10 for one in "RGB"], (6, 8, 3)))


# ── colour as sent ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", INTERLEAVED)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 7),
    height=st.integers(1, 5),
    padding=st.sampled_from([None, 0, 3]),
)
@settings(max_examples=25, deadline=None)
def test_interleaved_colour_arrives_as_rgb(name: str, seed: int, width: int, height: int, padding: int | None) -> None:
    order = INTERLEAVED[name]
    sent = np.random.default_rng(seed).integers(0, 256, (height, width, len(order)), np.uint8)
    raw, stride = lines_of(sent.reshape(height, -1).tolist(), "8", padding)
    truth = sent[:, :, [order.index(colour) for colour in "RGB"]]
    same(to_image(as_array(raw), name, width, height, stride=stride), truth)
    out = np.empty((height, width, 3), np.uint8)
    assert to_image(as_array(raw), name, width, height, stride=stride, out=out) is out
    same(out, truth)


@pytest.mark.parametrize("name", SUBSAMPLED)
@given(
    seed=st.integers(0, 2**32 - 1),
    groups=st.integers(1, 4),
    height=st.integers(1, 4),
    padding=st.sampled_from([None, 5]),
)
@settings(max_examples=25, deadline=None)
def test_subsampled_colour_follows_the_published_formula(
    name: str, seed: int, groups: int, height: int, padding: int | None
) -> None:
    """JFIF's inverse of the full-range BT.601 transform, computed here in floating point."""
    order = SUBSAMPLED[name]
    each = order.count("Y")
    sent = np.random.default_rng(seed).integers(0, 256, (height, groups * len(order)), np.uint8)
    raw, stride = lines_of(sent.tolist(), "8", padding)
    image = to_image(as_array(raw), name, groups * each, height, stride=stride)
    for y in range(height):
        for x in range(groups * each):
            group = sent[y, x // each * len(order) :][: len(order)].astype(float)
            luma = group[[index for index, one in enumerate(order) if one == "Y"][x % each]]
            u, v = group[order.index("U")] - 128, group[order.index("V")] - 128
            truth = np.clip([luma + 1.402 * v, luma - 0.344136 * u - 0.714136 * v, luma + 1.772 * u], 0, 255)
            assert np.abs(image[y, x] - truth).max() <= 1.5  # its rounding, and its 1.403 and 1.773


@given(seed=st.integers(0, 2**32 - 1), padding=st.sampled_from([None, 6]))
@settings(max_examples=25, deadline=None)
def test_nv12_follows_bt601_with_limited_range(seed: int, padding: int | None) -> None:
    rng = np.random.default_rng(seed)
    luma, chroma = rng.integers(16, 236, (4, 6)), rng.integers(16, 241, (2, 3, 2))
    raw, stride = lines_of([*luma.tolist(), *chroma.reshape(2, 6).tolist()], "8", padding)
    image = to_image(as_array(raw), "NV12", 6, 4, stride=stride)
    for y in range(4):
        for x in range(6):
            grey, (u, v) = 255 / 219 * (luma[y, x] - 16), (chroma[y // 2, x // 2] - 128) * 255 / 224
            truth = np.clip([grey + 1.402 * v, grey - 0.344136 * u - 0.714136 * v, grey + 1.772 * u], 0, 255)
            assert np.abs(image[y, x] - truth).max() <= 2


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["Mono7", "YCbCr601_422_8", "", "mono8"])
def test_an_unknown_format_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(Unsupported, match=r"top: pixel format .*: one of Mono8, "):
        to_image(np.zeros(100, np.uint8), name, 4, 4, "top")


@pytest.mark.parametrize(
    ("name", "width", "height"), [("YUV422_8", 5, 4), ("YUV411Packed", 6, 4), ("NV12", 4, 3), ("BayerRG8", 2, 4)]
)
def test_a_size_that_the_format_cannot_have_is_refused(name: str, width: int, height: int) -> None:
    with pytest.raises(Unsupported, match=f"{name} of {width} x {height}"):
        to_image(np.zeros(1000, np.uint8), name, width, height)


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, 0), (-1, 4), (0, None)])
def test_a_picture_without_pixels_is_none(width: int, height: int | None) -> None:
    with pytest.raises(DeviceTimeout, match="incomplete"):
        to_image(np.zeros(1000, np.uint8), "Mono8", width, height)


def test_lines_that_would_overlap_are_refused() -> None:
    with pytest.raises(Unsupported, match="lines of 3 bytes: at least 4"):
        to_image(np.zeros(1000, np.uint8), "Mono8", 4, 4, stride=3)


def test_a_buffer_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        to_image(np.zeros(1000, np.uint8), "Mono8", 4, 4, out=np.empty((4, 5), np.uint8))


def test_a_picture_without_conversion_is_a_view() -> None:
    data = np.arange(16, dtype=np.uint8)
    assert np.shares_memory(to_image(data, "Mono8", 4, 4), data)

"""One part, in its place: empty nests, two parts and strangers are named; a part that moved is found."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from datasets.manifest import read
from datasets.pictures import load
from models.placement import Placement, locate, pack, present, small, teach, unpack
from vocabulary import DataError, Image, Reason

WIDTH, HEIGHT = 640, 512
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "aliens"


def picture(seed: int, *parts: tuple[int, int], light: float = 1.0) -> Image:
    """A noisy dark nest with parts (a plate with a bar and a hole) at these corners."""
    chance = np.random.default_rng(seed)
    image = 60 + chance.normal(0, 4, (HEIGHT, WIDTH))
    for x, y in parts:
        image[y : y + 200, x : x + 240] += 90
        image[y + 30 : y + 60, x + 20 : x + 200] += 50
        cv2.circle(image, (x + 180, y + 130), 35, 60.0, -1)
    return np.asarray(np.clip(image * light, 0, 255), np.uint8)


def nest(seed: int) -> Image:
    """A structured empty nest: two bright rails."""
    image = picture(seed)
    image[:, 40:80] = image[:, 560:600] = 170
    return image


@pytest.fixture(scope="module")
def taught() -> Placement:
    chance = np.random.default_rng(1)
    at = [(int(200 + dx), int(150 + dy)) for dx, dy in chance.integers(-6, 7, (12, 2))]
    return teach([(f"{k}.png", picture(k, one)) for k, one in enumerate(at)], [])


def said(its: Placement, image: Image) -> str | None:
    why = present(small(image), its)
    return why.code if why else None


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([(200, 150)], None), ([(120, 60)], None), ([(390, 300)], None),
        ([], "empty_nest"), ([(-180, 150)], "empty_nest"), ([(30, 150), (340, 150)], "two_parts"),
        ([(80, 150), (318, 150)], "two_parts"),  # they touch: one piece of twice the area
    ],
)  # fmt: skip
@pytest.mark.parametrize("light", [0.85, 1.0, 2.0])
def test_only_one_whole_part_is_judged(
    taught: Placement, parts: list[tuple[int, int]], code: str | None, light: float
) -> None:
    shown = [(max(0, x), y) for x, y in parts]
    image = picture(99, *shown, light=light)
    if parts and parts[0][0] < 0:  # only its right end is there
        image = np.ascontiguousarray(np.hstack([picture(99, (200, 150), light=light)[:, 380:], image[:, 260:]]))
        image[:, 60:] = picture(98, light=light)[:, 60:]
    assert said(taught, image) == code


@pytest.mark.parametrize("move", [(0, 0), (37, -22), (-51, 40), (3, 5), (60, 60)])
def test_a_part_that_moved_is_found(taught: Placement, move: tuple[int, int]) -> None:
    zero = locate(small(picture(5, (200, 150))), taught, 64)
    there = locate(small(picture(6, (200 + move[0], 150 + move[1]))), taught, 64)
    assert isinstance(zero, tuple)
    assert isinstance(there, tuple)
    assert abs(there[0] - zero[0] - move[0]) <= 2
    assert abs(there[1] - zero[1] - move[1]) <= 2


@pytest.mark.parametrize("parts", [[(200 + 70, 150)], [(200, 150 - 75)], [(380, 300)], []])
def test_beyond_its_range_or_not_there_is_not_located(taught: Placement, parts: list[tuple[int, int]]) -> None:
    found = locate(small(picture(7, *parts)), taught, 50)
    assert isinstance(found, Reason)
    assert found.code == "not_located"


def test_colour_pictures_are_looked_at_as_grey_ones(taught: Placement) -> None:
    assert said(taught, np.dstack([picture(3, (200, 150))] * 3)) is None


def test_a_structured_nest_takes_pictures_of_it_empty() -> None:
    good = [(f"{k}.png", np.where(nest(k) > 120, nest(k), picture(k, (200, 150)))) for k in range(12)]
    with pytest.raises(DataError, match="several pieces"):
        teach(good, [])
    its = teach(good, [nest(50), nest(51)])
    assert said(its, good[0][1]) is None
    assert said(its, nest(60)) == "empty_nest"


@pytest.mark.parametrize(
    ("good", "said"),
    [
        ([picture(k) for k in range(12)], "differ by"),
        ([picture(k, (30, 150), (340, 150)) for k in range(12)], "several pieces"),
        ([picture(1, (200, 150)), picture(1, (200, 150))[:400]], "2 sizes"),
    ],
)
def test_pictures_from_which_nothing_can_be_learned_are_refused(good: list[Image], said: str) -> None:
    with pytest.raises(DataError, match=said):
        teach([(f"{k}.png", image) for k, image in enumerate(good)], [])


def test_what_is_packed_is_what_is_unpacked_and_rubbish_is_refused(taught: Placement) -> None:
    again = unpack("x", pack(taught))
    for field in Placement.__dataclass_fields__:
        assert np.array_equal(getattr(again, field), getattr(taught, field))
    for content in (b"", b"rubbish", pack(taught)[:-200]):
        with pytest.raises(DataError, match=r"a\.placement"):
            unpack("a.placement", content)


@pytest.mark.skipif(not REAL.is_dir(), reason="the pictures of toy figures are not here")
def test_real_figures_on_their_background() -> None:
    train, test = ([load(s.path) for s in read(REAL).of(subset)] for subset in ("train", "test"))
    its = teach([(str(s.path), load(s.path)) for s in read(REAL).of("train", "ok")], [])
    codes: list[Any] = [said(its, image) for image in test if image.shape == train[0].shape]
    assert codes.count(None) >= 0.9 * len(codes)  # good and most damaged ones are judged
    white = np.full_like(train[0], 252)
    assert said(its, white) == "empty_nest"
    narrow = cv2.resize(train[0], None, fx=0.5, fy=1.0)
    assert said(its, np.hstack([narrow, narrow])) == "two_parts"
    far = replace(its, score_min=0.9)
    assert isinstance(locate(small(np.roll(train[0], 120, axis=0)), far, 20), Reason)

"""From picture to verdict: limits, findings, picture health."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.decision import Limits, decide, find
from models.inspection import inspect
from models.package import read_package
from models.picture_health import check, measure, reference
from models.runner import Runner
from tests.models.conftest import texture
from vocabulary import Verdict

GREY_BAND = Limits(2.0, 1.0, False, {})


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(0.99, Verdict.OK), (1.0, Verdict.RECHECK), (1.99, Verdict.RECHECK), (2.0, Verdict.NG), (1e9, Verdict.NG)],
)
def test_a_score_at_a_limit_belongs_to_the_worse_side(score: float, verdict: Verdict) -> None:
    found, reason = decide(score, GREY_BAND)
    assert found is verdict
    assert f"{score:.3f}" in reason.text


def test_findings_are_boxes_in_pixels_of_the_raw_picture_worst_first() -> None:
    score_map = np.zeros((8, 10), np.float32)
    score_map[1:3, 2:4] = 1.5
    score_map[6, 9] = 7
    first, second = find(score_map, GREY_BAND, (80, 200))
    assert (first.box, first.score, first.area_px) == ((180, 60, 20, 10), 7.0, 200)
    assert (second.box, second.area_px) == ((40, 10, 40, 20), 800)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda image: image * 0, "picture_dark"),
        (lambda image: image * 0 + 255, "picture_bright"),
        (lambda image: image * 0 + 120, "picture_flat"),
        (lambda image: np.clip(image.astype(int) * 4 - 240, 0, 255).astype(np.uint8), "picture_saturated"),
    ],
)
def test_a_picture_that_shows_no_part_is_not_inspected(made: Path, change, code: str) -> None:  # type: ignore[no-untyped-def]
    found = inspect(change(texture(3)), Runner(read_package(made, None)))
    assert found.verdict is Verdict.NOT_INSPECTED
    assert code in [reason.code for reason in found.reasons]
    assert found.score is None


def test_taught_pictures_and_a_part_with_a_defect_are_healthy() -> None:
    taught = [texture(k) for k in range(5)]
    limits = reference([measure(image) for image in taught])
    defective = texture(9)
    defective[20:50, 30:70] = 10
    assert [check(measure(image), limits) for image in [*taught, defective]] == [[]] * 6


def test_a_dead_part_is_judged_and_a_lens_cap_is_not() -> None:
    taught = [texture(k) for k in range(5)]
    limits = reference([measure(image) for image in taught])
    dead = (texture(6) * 0.35).astype(np.uint8)  # a dead solar cell: a fraction of the light, its structure still there
    cap = np.random.default_rng(0).integers(0, 4, (90, 120)).astype(np.uint8)
    out_of_focus = cv2.GaussianBlur(texture(7), (0, 0), 6)
    assert check(measure(dead), limits) == []
    assert "picture_dark" in [reason.code for reason in check(measure(cap), limits)]
    assert "picture_blurred" in [reason.code for reason in check(measure(out_of_focus), limits)]


def test_the_times_of_a_look_follow_one_another(made: Path) -> None:
    runner = Runner(read_package(made, None))
    found = inspect(texture(1), runner)
    assert found.preprocessed_ns is not None
    assert found.inferred_ns is not None
    assert found.inferred_ns >= found.preprocessed_ns
    assert inspect(texture(1) * 0, runner).inferred_ns is None


def test_a_wrong_size_is_not_inspected_with_both_sizes_in_words(made: Path) -> None:
    found = inspect(texture(1, (50, 50)), Runner(read_package(made, None)))
    assert found.verdict is Verdict.NOT_INSPECTED
    assert "50×50" in found.reasons[0].text
    assert "120×90" in found.reasons[0].text

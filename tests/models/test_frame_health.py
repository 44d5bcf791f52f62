"""A camera's pictures against their reference: each kind of change trips its own figure, and healthy ones trip none."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.engine.health import LEAST, CameraHealth
from edge.recipe_health import HealthSettings, read_health
from models.frame_health import FrameHealth, Limits, pack, teach, unpack
from training.health import teach_health
from vocabulary import DataError, SettingsError

SIZE = (480, 640)
PATCH = (8, 8, 40, 40)
Picture = np.ndarray[Any, np.dtype[np.uint8]]


def part(seed: int, *, defect: bool = False) -> Picture:
    """A textured plate under even light, with a grey patch in the corner."""
    chance = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(chance.normal(0, 60, SIZE), (0, 0), 1.2) * 2.0
    image = 120 + texture + chance.normal(0, 2, SIZE) + chance.normal(0, 2)
    if defect:
        cv2.circle(image, (320, 240), 30, 10.0, -1)
    x, y, width, height = PATCH
    image[y : y + height, x : x + width] = 128
    return np.asarray(np.clip(image, 0, 255), np.uint8)


@pytest.fixture(scope="module")
def taught() -> FrameHealth:
    return teach([(str(seed), part(seed)) for seed in range(20)], PATCH)


def smeared(image: Picture, rows: int, columns: int) -> Picture:
    return np.asarray(cv2.blur(image, (columns, rows)), np.uint8)


def codes(its: FrameHealth, image: Picture) -> set[str]:
    return {why.code for why in its.check(its.measure(image))}


def test_good_pictures_of_other_parts_are_healthy_and_so_is_a_defect(taught: FrameHealth) -> None:
    assert [codes(taught, part(seed)) for seed in range(100, 140)] == [set()] * 40
    assert codes(taught, part(200, defect=True)) == set()


SHADOW = np.linspace(0.55, 1.0, SIZE[1])
CHANGES = {
    "picture_dark": lambda image: image * 0.6,
    "picture_bright": lambda image: image * 1.4,
    "light_uneven": lambda image: image * SHADOW,
    "picture_flat": lambda image: (image - 120.0) * 0.2 + 120,
    "picture_saturated": lambda image: np.where(image > 150, 255, image),
    "picture_blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 3.0),
    "grey_patch_off": lambda image: patched(image, 90),
}


def patched(image: Picture, grey: int) -> Picture:
    x, y, width, height = PATCH
    image = image.copy()
    image[y : y + height, x : x + width] = grey
    return image


@pytest.mark.parametrize("code", CHANGES)
def test_each_change_is_named(taught: FrameHealth, code: str) -> None:
    for seed in range(50, 55):
        changed = np.asarray(np.clip(CHANGES[code](part(seed)), 0, 255), np.uint8)
        assert code in codes(taught, changed)


@pytest.mark.parametrize(("rows", "columns"), [(1, 9), (9, 1)])
def test_motion_along_either_axis_is_told_from_bad_focus(taught: FrameHealth, rows: int, columns: int) -> None:
    assert "picture_motion_blur" in codes(taught, smeared(part(60), rows, columns))
    assert "picture_motion_blur" not in codes(taught, np.asarray(cv2.GaussianBlur(part(60), (0, 0), 3.0), np.uint8))


def test_a_colour_picture_is_measured_like_its_green(taught: FrameHealth) -> None:
    grey = part(70)
    assert taught.measure(np.dstack([grey // 2, grey, grey // 3])) == taught.measure(grey)


def test_another_size_is_no_picture_of_this_camera(taught: FrameHealth) -> None:
    with pytest.raises(DataError, match="320×480"):
        taught.measure(part(1)[:, ::2])
    values, why = CameraHealth("top", taught, 0.5).look(part(1)[:, ::2])
    assert (values, [one.code for one in why]) == ({}, ["picture_wrong_size"])


def test_a_reference_survives_its_file_and_a_harmed_one_is_refused(taught: FrameHealth) -> None:
    assert unpack("x", pack(taught)) == taught
    whole = json.loads(pack(taught))
    for harm in (
        {"version": 9}, {"fields": [1.0]}, {"limits": {}}, {"width": None},
        {"limits": {**whole["limits"], "light": {"taught": 1.0, "low": float("nan"), "high": 2.0}}},
    ):  # fmt: skip
        with pytest.raises(DataError, match=r"h\.json"):
            unpack("h.json", json.dumps(whole | harm).encode())
    with pytest.raises(DataError):
        unpack("h.json", b"\x00 garbage")


def test_a_recipe_may_have_limits_of_its_own(taught: FrameHealth, tmp_path: Path) -> None:
    from hashlib import sha256

    data = pack(taught)
    (tmp_path / "h.json").write_bytes(data)
    right = sha256(data).hexdigest()

    def read(**changes: Any) -> FrameHealth:
        its = HealthSettings.model_validate({"reference": "h.json", "sha256": right, **changes})
        return read_health(tmp_path / "recipe.toml", "top", its)

    assert read() == taught
    own = read(limits={"light": (0.5, 3.0), "contrast": (0.0, 9.0)})
    assert codes(own, np.asarray(part(1) * 0.6, np.uint8)) == {"grey_patch_off"}
    assert own.limits["contrast"].high is None  # that side never had one
    for wrong, field in [
        ({"sha256": "0" * 64}, "sha256"), ({"reference": "none.json"}, "reference"),
        ({"limits": {"colour": (0, 1)}}, "limits.colour"), ({"limits": {"light": (1.1, 2.0)}}, "limits.light"),
    ]:  # fmt: skip
        with pytest.raises(SettingsError, match=rf"health\.top\.{field}"):
            read(**wrong)


def test_the_command_teaches_from_good_pictures_only(tmp_path: Path) -> None:
    for seed in range(12):
        cv2.imwrite(str(tmp_path / f"{seed}.png"), part(seed))
    said = teach_health(tmp_path, tmp_path / "h.json", None)
    assert said["n_ok"] == 12
    assert set(unpack("h", (tmp_path / "h.json").read_bytes()).limits) == set(said["low_taught_high"])
    assert "patch" not in said["low_taught_high"]
    with pytest.raises(DataError, match="--patch"):
        teach_health(tmp_path, tmp_path / "h.json", (630, 0, 20, 20))
    for path in list(tmp_path.glob("*.png"))[:5]:
        path.unlink()
    with pytest.raises(DataError, match="7 good pictures"):
        teach_health(tmp_path, tmp_path / "h.json", None)


def drifting(used: list[float]) -> list[bool]:
    """After each part, when its light has used this share of the way to its lower limit."""
    one = FrameHealth(64, 64, [100.0] * 16, None, 0.0, {"light": Limits(1.0, 0.5, None)})
    watched = CameraHealth("top", one, 0.5)
    found = []
    for share in used:
        watched.its = Fixed(1.0 - 0.5 * share)  # type: ignore[assignment]
        watched.look(np.zeros((64, 64), np.uint8))
        found.append(watched.drift is not None)
    return found


class Fixed:
    """A reference that measures what it was told."""

    def __init__(self, light: float) -> None:
        self.light, self.limits = light, {"light": Limits(1.0, 0.5, None)}

    def measure(self, image: Picture) -> dict[str, float]:
        return {"light": self.light}

    def check(self, values: dict[str, float]) -> list[Any]:
        return []


@given(st.lists(st.floats(-0.4, 0.45), min_size=1, max_size=60))
@settings(max_examples=60)
def test_pictures_that_stay_near_the_reference_never_drift(used: list[float]) -> None:
    assert not any(drifting(used))


@given(st.floats(0.55, 0.95), st.integers(0, 30))
@settings(max_examples=60)
def test_a_drift_is_told_before_the_limit_and_ends_when_it_is_mended(level: float, before: int) -> None:
    told = drifting([0.0] * before + [level] * 60 + [0.0] * 60)
    assert told[before + 59]
    assert not any(told[: min(before, LEAST - 1)])
    assert not told[-1]


def test_one_dark_picture_is_no_drift() -> None:
    assert not any(drifting([0.0] * 20 + [9.0] + [0.0] * 20))

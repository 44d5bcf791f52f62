"""A recipe with placement: tools look where the part is, or not at all, and the reason says why."""

import hashlib
from contextlib import ExitStack
from pathlib import Path

import cv2
import pytest

from edge.bench import looks
from edge.engine.cameras import StationCamera
from edge.engine.inspect import Answer, inspect_part
from edge.engine.lights import Lights
from edge.engine.recipes import ReadyRecipe, load_recipes
from edge.messages import Inspect
from edge.settings import CameraSettings
from models.placement import pack, teach
from tests.models.conftest import bank as bank
from tests.models.conftest import made as made
from tests.models.test_placement import picture
from vocabulary import Image, MonotonicClock, SettingsError, Verdict

CAMERA = CameraSettings(name="top", uri="sim:")
RECIPE = """
name = "cell"
number = 1
product = "x"
[line]
takt_s = 0.5
deadline_ms = 180
exposure_window_ms = 250
[[tools]]
camera = "top"
package = "{package}"
region = [260, 180, 120, 90]
[picture_health]
contrast_min = 1.0
mean_min = 40.0
mean_max = 255.0
[placement.top]
reference = "top.placement"
sha256 = "{sha256}"
locate_px = 100
"""


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Path:
    content = pack(teach([(f"{k}.png", picture(k, (200, 150))) for k in range(12)], []))
    (tmp_path / "recipes" / "cell").mkdir(parents=True)
    (tmp_path / "recipes" / "cell" / "top.placement").write_bytes(content)
    text = RECIPE.format(package=made, sha256=hashlib.sha256(content).hexdigest())
    (tmp_path / "recipes" / "cell" / "recipe.toml").write_text(text)
    return tmp_path


@pytest.fixture
def ready(folder: Path, made: Path) -> ReadyRecipe:
    return load_recipes(folder, [CAMERA], made.parent / "trust")["cell"]


def inspected(ready: ReadyRecipe, folder: Path, image: Image) -> Answer:
    (folder / "stage").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "stage" / "a.png"), image)
    camera = StationCamera(CameraSettings(name="top", uri=f"folder:{folder / 'stage'}"), folder)
    camera.try_open()
    far = 1 << 62
    request = Inspect(1, 1, 0, ["top"], None, 1, 1, None, 0, 0, far, far)
    with ExitStack() as leases:
        return inspect_part(request, ready, {"top": camera}, Lights({}, MonotonicClock()), MonotonicClock(), leases)


@pytest.mark.parametrize("move", [(0, 0), (60, -40), (-90, 72)])
def test_the_region_follows_the_part(ready: ReadyRecipe, folder: Path, move: tuple[int, int]) -> None:
    answer = inspected(ready, folder, picture(50, (200 + move[0], 150 + move[1])))
    (tool,) = answer.tools
    assert tool.verdict in (Verdict.OK, Verdict.NG)
    assert tool.region is not None
    assert abs(tool.region[0] - 260 - move[0]) <= 2
    assert abs(tool.region[1] - 180 - move[1]) <= 2
    assert list(answer.laps)[:4] == ["received", "exposed", "arrived", "placed"]
    for x, y, _, _, _ in tool.findings:
        assert x >= tool.region[0]
        assert y >= tool.region[1]


@pytest.mark.parametrize(
    ("parts", "light", "code"),
    [
        ([], 1.0, "empty_nest"), ([(30, 150), (340, 150)], 1.0, "two_parts"), ([(345, 150)], 1.0, "not_located"),
        ([(200, 150)], 0.1, "picture_dark"), ([], 0.1, "picture_dark"),
    ],
)  # fmt: skip
def test_what_is_no_single_part_in_its_place_is_not_inspected(
    ready: ReadyRecipe, folder: Path, parts: list[tuple[int, int]], light: float, code: str
) -> None:
    answer = inspected(ready, folder, picture(51, *parts, light=light))
    assert set(answer.verdicts) == {Verdict.NOT_INSPECTED}
    codes = [why.code for why in answer.reasons]  # an unhealthy picture may be so for several reasons
    assert codes[0] == code
    assert len(codes) == 1 or all(one.startswith("picture_") for one in codes)
    assert answer.tools == []
    assert list(answer.looks) == ["top"]  # the picture is kept: a person sees why


def test_a_picture_of_another_size_is_refused(ready: ReadyRecipe, folder: Path) -> None:
    answer = inspected(ready, folder, picture(52, (200, 150))[:400])
    assert [why.code for why in answer.reasons] == ["picture_wrong_size"]


def test_a_certificate_counts_the_time_that_placement_takes(ready: ReadyRecipe) -> None:
    (look,) = looks(ready)
    assert look() == (0, 0)  # the whole way: present, located, region inside


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[placement.top]", "[placement.side]", "placement.side: no camera 'side'"),
        ("region = [260, 180, 120, 90]", "", "placement.top.locate_px: tool 'surface' has no region"),
        ('"top.placement"', '"none.placement"', "placement.top.reference: "),
        ('sha256 = "', 'sha256 = "0', "placement.top.sha256"),
    ],
)
def test_a_wrong_placement_is_refused_by_its_field(folder: Path, made: Path, old: str, new: str, named: str) -> None:
    path = folder / "recipes" / "cell" / "recipe.toml"
    text = path.read_text().replace(old, new)
    path.write_text(text)
    with pytest.raises(SettingsError, match="placement") as refused:
        load_recipes(folder, [CAMERA], made.parent / "trust")
    assert named in str(refused.value)


def test_a_reference_that_was_changed_is_refused(folder: Path, made: Path) -> None:
    path = folder / "recipes" / "cell" / "top.placement"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(SettingsError, match="sha256"):
        load_recipes(folder, [CAMERA], made.parent / "trust")

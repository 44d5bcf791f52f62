"""Wrong settings are refused in one line that names file, field, value."""

from pathlib import Path

import pytest

from edge.recipe import read_recipes
from edge.settings import CameraSettings, read_station
from vocabulary import SettingsError

STATION = """
name = "s1"
recipe = "cell"
[[cameras]]
name = "top"
uri = "sim:?seed=1"
[plc]
uri = "modbus://127.0.0.1:502"
"""
RECIPE = """
name = "cell"
number = 1
product = "Solar cell"
[line]
takt_s = 0.5
deadline_ms = 180
exposure_window_ms = 250
[[tools]]
camera = "top"
package = "a.jdk"
"""


CAMERAS = [CameraSettings(name="top", uri="sim:")]


def station(folder: Path, text: str = STATION) -> Path:
    path = folder / "station.toml"
    path.write_text(text)
    return path


def recipe(folder: Path, text: str = RECIPE, name: str = "cell") -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "recipe.toml").write_text(text)


def test_a_good_station_and_recipe_are_read(tmp_path: Path) -> None:
    assert read_station(station(tmp_path)).plc.poll_ms == 2
    recipe(tmp_path)
    assert read_recipes(tmp_path, CAMERAS)["cell"].recipe.line.deadline_ms == 180


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('name = "s1"', 'name = "s 1"', "name: "),
        ('name = "s1"', 'name = "s1"\nmoed = "AUTO"', "moed: "),
        ('name = "s1"', 'name = "s1"\nmode = "AUTOMATIC"', "mode: "),
        ('uri = "modbus://127.0.0.1:502"', "", "plc.uri: "),
        ('uri = "modbus://127.0.0.1:502"', 'uri = "modbus://x"\npoll_ms = 0', "plc.poll_ms: "),
        ("[plc]", "[plc", "no valid TOML"),
        ('name = "top"', 'name = "top"\nuri="sim:"\n[[cameras]]\nname = "top"', "cameras: name 'top' is there twice"),
    ],
)
def test_a_wrong_station_names_the_field(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_station(station(tmp_path, STATION.replace(old, new)))
    assert named in str(caught.value)
    assert "station.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("number = 1", "number = 0", "number: "),
        ("deadline_ms = 180", "deadline_ms = -5", "line.deadline_ms: "),
        ('camera = "top"', 'camera = "side"', "tools.0.camera: no camera 'side'"),
        ('name = "cell"', 'name = "sell"', "name: 'sell' lies in folder 'cell'"),
        ("[line]", "[cameras.side]\ngain_db = 1\n[line]", "cameras.side: no camera"),
        ("takt_s = 0.5", "takt = 0.5", "line.takt_s: "),
    ],
)
def test_a_wrong_recipe_names_the_field(tmp_path: Path, old: str, new: str, named: str) -> None:
    recipe(tmp_path, RECIPE.replace(old, new))
    with pytest.raises(SettingsError) as caught:
        read_recipes(tmp_path, CAMERAS)
    assert named in str(caught.value)
    assert "recipe.toml" in str(caught.value)


def test_two_recipes_cannot_share_a_number_of_the_plc(tmp_path: Path) -> None:
    recipe(tmp_path)
    recipe(tmp_path, RECIPE.replace('"cell"', '"wafer"'), "wafer")
    with pytest.raises(SettingsError, match="share number 1"):
        read_recipes(tmp_path, CAMERAS)


def test_a_folder_without_recipes_and_a_missing_station_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"recipes/<name>/recipe\.toml"):
        read_recipes(tmp_path, CAMERAS)
    with pytest.raises(SettingsError, match="existing, readable file"):
        read_station(tmp_path / "none.toml")


def test_a_camera_on_the_encoder_needs_the_spacing_in_counts(tmp_path: Path) -> None:
    recipe(tmp_path)
    cameras = [CameraSettings(name="top", uri="sim:", trigger_source="encoder")]
    with pytest.raises(SettingsError, match=r"least_spacing_counts: missing: camera 'top'"):
        read_recipes(tmp_path, cameras)
    recipe(tmp_path, RECIPE.replace("exposure_window_ms", "least_spacing_counts = 400\nexposure_window_ms"))
    assert read_recipes(tmp_path, cameras)["cell"].recipe.line.least_spacing_counts == 400

"""The station's lights: nothing is exposed but under settings that were read back; a lost one comes back by itself."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

import pytest

from camera_drivers.lights import Strobe, probe, set_channel, table
from edge.doctor import lit
from edge.engine.cameras import StationCamera
from edge.engine.inspect import Answer, inspect_part
from edge.engine.lights import LightOut, Lights, StationLight
from edge.engine.recipes import ReadyRecipe, load_recipes
from edge.messages import Inspect
from edge.recipe import Line, read_recipes
from edge.settings import CameraSettings, LightSettings, read_station
from tests.camera_drivers.gardasoft_peer import Controller
from tests.edge.test_settings import RECIPE, STATION, recipe, station
from tests.line.conftest import JIDOKA, wait_until
from tests.models.conftest import bank as bank
from tests.models.conftest import made as made
from vocabulary import MonotonicClock, SettingsError, Verdict

CLOCK = MonotonicClock()
SOON_NS = 5_000_000_000
GOOD, OTHER = Strobe(50, 100, 20, 10_000), Strobe(70, 100, 20, 10_000)
RING = """
[lights.ring.1]
intensity_percent = 50
pulse_us = 100
delay_us = 20
period_us = 10000
"""


@pytest.fixture
def port(tmp_path: Path) -> Path:
    return tmp_path / "ttyLight"


@pytest.fixture
def peer(port: Path) -> Iterator[Controller]:
    peer = Controller(port)
    yield peer
    peer.unplug()


@pytest.fixture
def ring(port: Path, peer: Controller) -> Iterator[StationLight]:
    ring = StationLight("ring", LightSettings(uri=f"gardasoft:{port}"), CLOCK)
    ring.use({1: GOOD})
    ring.settle(CLOCK.now_ns() + SOON_NS)
    yield ring
    ring.close()


def out(ring: StationLight, code: str) -> str:
    """Wait until parts are refused with this code; the text that people read."""
    return str(wait_until(lambda: ring.why_not is not None and ring.why_not.code == code and ring.why_not.text, code))


def back(ring: StationLight) -> None:
    wait_until(lambda: ring.why_not is None, "the light to hold its settings again")


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_it_holds_what_the_recipe_asks_and_the_other_channels_are_dark(ring: StationLight, peer: Controller) -> None:
    assert peer.channels[1] == {"MD": 1, "S": 50.0, "DL": 0.02, "PU": 0.1, "RT": 10.0}
    assert (peer.channels[2]["MD"], peer.channels[2]["S"]) == (0, 0.0)
    ring.lit(CLOCK.now_ns())


def test_what_was_exposed_before_a_change_over_was_settled_counts_for_no_part(
    ring: StationLight, peer: Controller
) -> None:
    before = CLOCK.now_ns()
    ring.use({2: OTHER})
    assert ring.why_not is not None
    assert ring.why_not.code == "light_settling"
    ring.settle(CLOCK.now_ns() + SOON_NS)
    assert (peer.channels[1]["S"], peer.channels[2]["S"]) == (0.0, 70.0)
    with pytest.raises(LightOut, match="exposed before the recipe's settings were set") as raised:
        ring.lit(before)
    assert raised.value.reason.code == "light_settling"
    ring.lit(CLOCK.now_ns())


def test_nobody_waits_longer_for_settings_than_the_part_can(ring: StationLight, peer: Controller) -> None:
    peer.silent = True
    ring.use({1: OTHER})
    with pytest.raises(LightOut) as raised:
        ring.settle(CLOCK.now_ns() + 1_000_000)
    assert raised.value.reason.code == "light_settling"


def test_the_same_settings_again_are_not_written_again(ring: StationLight, peer: Controller) -> None:
    ring.use({1: GOOD})
    ring.lit(CLOCK.now_ns())
    assert len([command for command in peer.heard if command.startswith("RT")]) == 1


def test_a_setting_that_it_can_not_do_is_refused_and_the_next_recipe_works(
    ring: StationLight, peer: Controller
) -> None:
    peer.rating = 3.0
    ring.use({1: Strobe(700, 50, 20, 900_000)})
    assert "700 % of 3 A is 21 A: at most 20 A" in out(ring, "light_refused")
    ring.use({3: GOOD})
    assert "light ring: channel 3: it has 1 to 2" in out(ring, "light_refused")
    ring.use({1: OTHER})
    ring.settle(CLOCK.now_ns() + SOON_NS)
    assert peer.channels[1]["S"] == 70.0


# ── losses ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_mute_controller_is_lost_and_set_anew_when_it_speaks(ring: StationLight, peer: Controller) -> None:
    peer.silent = True
    assert "no answer" in out(ring, "light_lost")
    with pytest.raises(LightOut, match=r"ring: light ring: .*: check cable, port and power"):
        ring.settle(CLOCK.now_ns() + SOON_NS)
    peer.channels = {n: {"MD": 0, "S": 50.0, "DL": 1.0, "PU": 1.0, "RT": 0.0} for n in (1, 2)}
    lost_ns = CLOCK.now_ns()
    peer.silent = False
    back(ring)
    assert (peer.channels[1]["MD"], peer.channels[2]["S"]) == (1, 0.0)
    with pytest.raises(LightOut, match="exposed before"):
        ring.lit(lost_ns)


def test_an_unplugged_controller_is_lost_and_found_again_at_its_port(
    ring: StationLight, peer: Controller, port: Path
) -> None:
    peer.unplug()
    out(ring, "light_lost")
    again = Controller(port)
    try:
        back(ring)
        assert again.channels[1]["MD"] == 1
    finally:
        ring.close()
        again.unplug()


def test_a_controller_that_was_switched_off_and_on_is_found_out_and_set_anew(
    ring: StationLight, peer: Controller
) -> None:
    before = CLOCK.now_ns()
    peer.channels[1] |= {"MD": 0, "S": 50.0, "DL": 1.0, "PU": 1.0, "RT": 0.0}  # the factory's
    wait_until(lambda: peer.channels[1]["MD"] == 1, "its settings to be written again")
    back(ring)
    with pytest.raises(LightOut, match="exposed before"):
        ring.lit(before)


def test_a_controller_that_talks_garbage_is_not_believed(ring: StationLight, peer: Controller) -> None:
    peer.answers = {"ST": b"\x00\xff hello>"}
    assert "light ring: answered" in out(ring, "light_failed")
    peer.answers = {}
    back(ring)


def test_a_thread_that_hangs_in_its_port_is_noticed(port: Path, peer: Controller) -> None:
    class Later:
        at = 0

        def now_ns(self) -> int:
            return CLOCK.now_ns() + self.at

    later = Later()
    ring = StationLight("ring", LightSettings(uri=f"gardasoft:{port}"), later)
    ring.use({1: GOOD})
    ring.settle(later.now_ns() + SOON_NS)
    ring.close()  # no further word from its thread
    later.at = 60 * 10**9
    assert ring.why_not is not None
    assert (ring.why_not.code, "hangs" in ring.why_not.text) == ("light_lost", True)


# ── one part's way ───────────────────────────────────────────────────────────────────────────────────────────────────
def made_ready(tmp_path: Path, made: Path, port: Path) -> tuple[ReadyRecipe, Lights]:
    (tmp_path / "recipes").mkdir(exist_ok=True)
    recipe(tmp_path / "recipes", RECIPE.replace("a.jdk", str(made)) + RING)
    known = {"ring": LightSettings(uri=f"gardasoft:{port}")}
    camera = CameraSettings(name="top", uri="sim:")
    return load_recipes(tmp_path, [camera], made.parent / "trust", lights=known)["cell"], Lights(known, CLOCK)


def inspected(ready: ReadyRecipe, lights: Lights, uri: str = "sim:?width=640&height=480") -> tuple[Answer, int]:
    """The answer for one part, and how often the camera was triggered."""
    camera = StationCamera(CameraSettings(name="top", uri=uri, frame_timeout_ms=5000), Path())
    camera.use({}, Line(takt_s=0.5, deadline_ms=180, exposure_window_ms=250))
    camera.try_open()
    window = CLOCK.now_ns() + SOON_NS
    asked = Inspect(1, 1, 0, ["top"], 1, 1, 1, None, 0, 0, window, window + SOON_NS)
    with ExitStack() as leases:
        answer = inspect_part(asked, ready, {"top": camera}, lights, CLOCK, leases)
    triggers = camera.driver.health().triggers
    camera.close()
    return answer, triggers


def test_a_part_is_exposed_under_its_light(tmp_path: Path, made: Path, port: Path, peer: Controller) -> None:
    ready, lights = made_ready(tmp_path, made, port)
    lights.use(ready.loaded.recipe.lights)
    answer, triggers = inspected(ready, lights)  # it waits until the light is set
    lights.close()
    assert (triggers, peer.channels[1]["S"]) == (1, 50.0)
    assert not [why.code for why in answer.reasons if why.code.startswith("light")]


def test_without_its_light_no_part_is_exposed(tmp_path: Path, made: Path, port: Path, peer: Controller) -> None:
    ready, lights = made_ready(tmp_path, made, port)
    peer.unplug()
    lights.use(ready.loaded.recipe.lights)
    answer, triggers = inspected(ready, lights)
    lights.close()
    assert triggers == 0
    assert (answer.verdicts, [why.code for why in answer.reasons]) == ([Verdict.NOT_INSPECTED], ["light_lost"])
    assert answer.reasons[0].text.startswith("light ring: ")


def test_a_light_that_is_lost_while_the_picture_comes_leaves_no_verdict(
    tmp_path: Path, made: Path, port: Path, peer: Controller
) -> None:
    ready, lights = made_ready(tmp_path, made, port)
    lights.use(ready.loaded.recipe.lights)
    lights.settle(CLOCK.now_ns() + SOON_NS)
    unplugged = Timer(0.1, peer.unplug)
    unplugged.start()
    answer, triggers = inspected(ready, lights, "sim:?width=640&height=480&slow_ms=3000")
    unplugged.join()
    lights.close()
    assert triggers == 1
    assert (answer.verdicts, [why.code for why in answer.reasons]) == ([Verdict.NOT_INSPECTED], ["light_lost"])


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────
LIGHT = '[lights.ring]\nuri = "gardasoft:/dev/ttyUSB0"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[lights.ring]\nuri = "/dev/ttyUSB0"\n', "lights.ring.uri: "),
        ('[lights.ring]\nuri = "gardasoft:"\n', "lights.ring.uri: "),
        (LIGHT + "baud = 9600\n", "lights.ring.baud: "),
        (LIGHT + "duty_limit_percent = 0\n", "lights.ring.duty_limit_percent: "),
        ('[lights."r g"]\nuri = "gardasoft:/dev/x"\n', "lights.r g"),
        (LIGHT + LIGHT.replace("ring", "back"), "lights: uri 'gardasoft:/dev/ttyUSB0' is there twice"),
    ],
)
def test_a_wrong_light_of_the_station_is_named(tmp_path: Path, text: str, named: str) -> None:
    read_station(station(tmp_path, STATION + LIGHT))
    with pytest.raises(SettingsError, match=named):
        read_station(station(tmp_path, STATION + text))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("lights.ring.1", "lights.back.1", "lights.back: no light 'back' at this station: one of ring"),
        ("lights.ring.1", "lights.ring.01", "lights.ring.01"),
        ("pulse_us = 100\n", "", "lights.ring.1.pulse_us: "),
        ("period_us = 10000\n", "", "lights.ring.1.period_us: "),
        ("pulse_us = 100", "pulse_us = 100\nmode = 1", "lights.ring.1.mode: "),
        ("intensity_percent = 50", "intensity_percent = 1000", "lights.ring.1: .*intensity 1000 %: 0 to 999 %"),
        ("intensity_percent = 50", "intensity_percent = 150", "lights.ring.1: .*40 % duty: at most 30 % at 150 %"),
        ("delay_us = 20", "delay_us = 2", "lights.ring.1: .*delay 2 µs: 20 to 999000 µs"),
        ("delay_us = 20", "delay_us = 20", "lights.ring.1: .*40 % duty: at most 35 %"),
    ],
)
def test_what_a_light_can_not_do_is_refused_when_the_recipe_is_read(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    lights = {"ring": LightSettings(uri="gardasoft:/dev/none", duty_limit_percent=35 if old == new else 50)}
    cameras = [CameraSettings(name="top", uri="sim:")]
    text = RECIPE + RING
    recipe(tmp_path, text)
    assert read_recipes(tmp_path, cameras, lights=lights)["cell"].recipe.lights["ring"]["1"].pulse_us == 100
    if "duty" in named:
        text = text.replace("pulse_us = 100", "pulse_us = 4000")
    recipe(tmp_path, text.replace(old, new))
    with pytest.raises(SettingsError, match=named):
        read_recipes(tmp_path, cameras, lights=lights)


def test_a_recipe_with_lights_at_a_station_without_is_refused(tmp_path: Path) -> None:
    recipe(tmp_path, RECIPE + RING)
    with pytest.raises(SettingsError, match=r"no light 'ring' at this station: add \[lights.NAME\] to station.toml"):
        read_recipes(tmp_path, [CameraSettings(name="top", uri="sim:")])


# ── at the bench ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_bench_commands_set_and_show_a_channel(port: Path, peer: Controller) -> None:
    uri = f"gardasoft:{port}"
    assert set_channel(uri, 1, GOOD).strobe_on
    assert set_channel(uri, 2, None).dark
    heard = len(peer.heard)
    found = probe(uri)
    assert not [command for command in peer.heard[heard:] if command[:2] not in ("VR", "ST")]  # it changes nothing
    assert (found["model"], found["channels"], found["states"][0]["pulse_us"]) == ("RT260-2", 2, 100.0)
    assert "channel 1: pulse (50 %, 100 µs after 20 µs, at most each 10000 µs; rated 0.5 A)" in table(found)
    assert "channel 2: dark" in table(found)


def test_the_command_line_names_what_is_missing_and_what_burns_a_light(port: Path, peer: Controller) -> None:
    def said(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([*JIDOKA, "light", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    uri = f"gardasoft:{port}"
    pulse = ("--pulse-us", "100", "--delay-us", "20", "--period-us", "10000")
    code, text, _ = said("set", uri, "1", "--percent", "50", *pulse, "--json")
    assert (code, json.loads(text.splitlines()[-1])["intensity_percent"]) == (0, 50.0)
    assert said("set", uri, "1", "--off")[0] == 0
    assert peer.channels[1]["S"] == 0.0
    for words, named in (
        (("--off", "--percent", "5"), "--off: without a pulse"),
        (pulse, "--percent: say --percent, --pulse-us, --delay-us, --period-us, or --off"),
        (("--percent", "50", *pulse, "--duty-limit-percent", "0.5"), "1 % duty: at most 0.5 %"),
    ):
        code, _, text = said("set", uri, "1", *words)
        assert code != 0
        assert named in text
    code, text, _ = said("probe", uri)
    assert (code, "RT260-2 V031, 2 channels" in text) == (0, True)


def test_the_doctor_holds_recipes_against_the_controller_and_sets_nothing(
    tmp_path: Path, made: Path, port: Path, peer: Controller
) -> None:
    ready, _ = made_ready(tmp_path, made, port)
    settings = LightSettings(uri=f"gardasoft:{port}")
    assert lit("ring", settings, {"cell": ready}) == "RT260-2 answers with 2 channels; channels [1, 2] are not dark"
    peer.rating = 60.0
    with pytest.raises(SettingsError, match="recipe cell: light ring: channel 1: 50 % of 60 A"):
        lit("ring", settings, {"cell": ready})
    peer.rating = 0.5
    recipe(tmp_path / "recipes", RECIPE.replace("a.jdk", str(made)) + RING.replace("ring.1", "ring.5"))
    camera = CameraSettings(name="top", uri="sim:")
    ready = load_recipes(tmp_path, [camera], made.parent / "trust", lights={"ring": settings})["cell"]
    with pytest.raises(SettingsError, match="recipe cell: light ring: channel 5: 1 to 2"):
        lit("ring", settings, {"cell": ready})
    assert not [command for command in peer.heard if command[:2] not in ("VR", "ST")]

"""A recipe runs in AUTO only where it was measured fast enough on this machine, as it is now."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge import certificate
from edge.certificate import Certificate
from edge.engine.recipes import ReadyRecipe, load_recipes
from edge.realtime import policy
from edge.settings import CameraSettings, StateFolder
from edge.supervisor import take_lock
from tests.models.conftest import bank as bank
from tests.models.conftest import made as made

POLICY = policy(50, 1, [])
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
"""


@pytest.fixture
def ready(tmp_path: Path, made: Path) -> ReadyRecipe:
    (tmp_path / "recipes" / "cell").mkdir(parents=True)
    (tmp_path / "recipes" / "cell" / "recipe.toml").write_text(RECIPE.format(package=made))
    return load_recipes(tmp_path, [CameraSettings(name="top", uri="sim:")], made.parent / "trust")["cell"]


def good(ready: ReadyRecipe, **changed: Any) -> Certificate:
    its: dict[str, Any] = {
        "recipe": "cell", "sha256": ready.loaded.sha256, "packages": certificate.packages(ready),
        "cpu": certificate.cpu(), "engine": certificate.engine(), "precision": certificate.precision(ready),
        "threads": 1, "runs": 10_000,
        "deadline_ms": 180.0, "margin_ms": 40.0, "p50_ms": 20.0, "p99_ms": 25.0, "p999_ms": 30.0, "max_ms": 60.0,
        "policy": POLICY, "load": 0.5, "utc": "",
    }  # fmt: skip
    return Certificate(**{**its, **changed})


def said(folder: Path, ready: ReadyRecipe) -> str:
    reason = certificate.why_not(folder, ready, POLICY)
    return "" if reason is None else f"{reason.code}: {reason.text}"


def test_without_a_certificate_the_remedy_is_named(tmp_path: Path, ready: ReadyRecipe) -> None:
    assert said(tmp_path, ready).startswith("not_certified: no certificate for this recipe: run `jidoka bench")


def test_a_certificate_of_this_recipe_on_this_machine_holds(tmp_path: Path, ready: ReadyRecipe) -> None:
    certificate.write(tmp_path, good(ready))
    assert said(tmp_path, ready) == ""


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"sha256": "0" * 64}, "another recipe"),
        ({"packages": ["other"]}, "another packages"),
        ({"cpu": "abacus x2"}, "another CPU"),
        ({"engine": "onnxruntime 0.1"}, "another engine"),
        ({"deadline_ms": 999.0}, "another deadline"),
        ({"precision": "int8"}, "another precision (int8; it is"),
        ({"threads": 2}, "another number of threads (2; it is 1)"),
        ({"policy": "SCHED_FIFO 50 on core 0"}, "another scheduling policy (SCHED_FIFO 50 on core 0; it is"),
        ({"runs": 9_999}, "too few runs"),
        ({"p999_ms": 140.1}, "too slow"),
        ({"margin_ms": 151.0}, "too slow"),
    ],
)
def test_any_other_recipe_machine_or_speed_is_not_certified(
    tmp_path: Path, ready: ReadyRecipe, changed: dict[str, Any], what: str
) -> None:
    certificate.write(tmp_path, good(ready, **changed))
    assert what in said(tmp_path, ready)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"recipe": 3}', b"[]"])
def test_a_broken_certificate_is_none(tmp_path: Path, ready: ReadyRecipe, content: bytes) -> None:
    certificate.write(tmp_path, good(ready))
    certificate.path_of(tmp_path, "cell").write_bytes(content)
    assert said(tmp_path, ready).startswith("not_certified: cell.json:")


def bench(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "cli", "bench", *words], capture_output=True, text=True, check=False)


def test_the_command_measures_a_package(tmp_path: Path, made: Path) -> None:
    done = bench(made, "--runs", "100", "--state", made.parent, "--json", tmp_path / "f.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "f.json").read_text())
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["p999_ms"] <= found["max_ms"]
    assert found["runs"] == 100


def test_the_command_certifies_recipes_only_and_after_enough_runs(
    tmp_path: Path, ready: ReadyRecipe, made: Path
) -> None:
    station = tmp_path / "station.toml"
    station.write_text(
        'name = "s"\nrecipe = "cell"\n[[cameras]]\nname = "top"\nuri = "sim:"\n[plc]\nuri = "modbus://127.0.0.1:1"\n'
    )
    refused = bench(station, "--certify", "--runs", "500", "--state", made.parent)
    assert (refused.returncode, "at least 10000" in refused.stderr) == (2, True)
    refused = bench(made, "--certify", "--state", made.parent)
    assert (refused.returncode, "station.toml" in refused.stderr) == (2, True)
    done = bench(station, "--runs", "100", "--state", made.parent)
    assert done.returncode == 0, done.stderr
    assert not (made.parent / "certificates").exists()


def test_nothing_is_measured_at_the_expense_of_a_running_station(tmp_path: Path, made: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.make()
    with take_lock(state):
        refused = bench(made, "--runs", "100", "--state", state.root)
    assert (refused.returncode, "a station runs here already: stop it" in refused.stderr) == (2, True)


def test_what_is_written_is_what_is_read(tmp_path: Path, ready: ReadyRecipe) -> None:
    path = certificate.write(tmp_path, good(ready))
    assert msgspec.json.decode(path.read_bytes(), type=Certificate) == good(ready)


def test_an_engine_without_its_rights_is_not_what_was_certified(tmp_path: Path, ready: ReadyRecipe) -> None:
    certificate.write(tmp_path, good(ready))
    reason = certificate.why_not(tmp_path, ready, policy(50, 1, ["mlockall"]))
    assert reason is not None
    assert "another scheduling policy (SCHED_FIFO 50 on core 1; it is without mlockall)" in reason.text

"""What is wrong before the start is refused in one line that names the thing and the remedy."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.line.conftest import JIDOKA, LineUnderTest, wait_until


def prepared(line: LineUnderTest, **settings: object) -> None:
    """The files of a station, without a machine and not started."""
    line.uri = "modbus://127.0.0.1:1"
    line.popen = lambda command: None  # type: ignore[assignment, method-assign, return-value]
    line.start_station(**settings)
    for name in ("0.png", "1.png"):
        (line.stage / name).write_bytes((line.taught / "parts" / "000.png").read_bytes())


def refused(line: LineUnderTest) -> str:
    command = [*JIDOKA, "run", str(line.folder / "station.toml"), "--state", str(line.state.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (1, 2)
    (said,) = done.stderr.splitlines()
    return said


def alter_package(line: LineUnderTest) -> None:
    data = bytearray((line.taught / "plate.jdk").read_bytes())
    data[len(data) // 2] ^= 1
    (line.folder / "altered.jdk").write_bytes(data)
    recipe = line.folder / "recipes" / "plate" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(line.taught / "plate.jdk"), str(line.folder / "altered.jdk")))


def distrust(line: LineUnderTest) -> None:
    for key in line.state.trust.iterdir():
        key.unlink()


def misspell(line: LineUnderTest) -> None:
    recipe = line.folder / "recipes" / "plate" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("takt_s", "tact_s"))


@pytest.mark.parametrize(
    ("harm", "named"),
    [(alter_package, "altered.jdk"), (distrust, "no public keys"), (misspell, "line.takt_s")],
)
def test_a_station_with_a_harmed_file_does_not_start(
    line: LineUnderTest, harm: Callable[[LineUnderTest], None], named: str
) -> None:
    prepared(line)
    harm(line)
    assert named in refused(line)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"cameras": [{"name": "top", "uri": "webcam:0"}]}, "no driver 'webcam'"),
        ({"plc": {"uri": "telepathy://x"}}, "no protocol 'telepathy'"),
        ({"recipe": "other"}, "recipe: no 'other'"),
        ({"plc": {"uri": "modbus://127.0.0.1:1", "transport_ms": float("inf")}}, "plc.transport_ms"),
        ({"plc": {"uri": "modbus://127.0.0.1:1?timeout_s=nan"}}, "time-out"),
        ({"plc": {"uri": "modbus://[::1"}}, "plc.uri"),
        ({"cycle": {"exposure_window_ms": 76}}, "half of takt_s"),
    ],
)
def test_a_station_with_an_unknown_thing_does_not_start(
    line: LineUnderTest, settings: dict[str, object], named: str
) -> None:
    prepared(line, **settings)
    assert named in refused(line)


def test_a_taken_port_is_named(line: LineUnderTest) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        prepared(line, web={"port": taken.getsockname()[1]})
        assert "choose another web.port" in refused(line)


def test_a_second_station_on_the_same_state_is_refused(line: LineUnderTest) -> None:
    line.start_machine(1)
    line.start_station()
    wait_until(line.state.endpoints.exists, "the first station")
    assert "a station runs here" in refused(line)


def test_a_machine_on_a_taken_port_or_with_an_unknown_fault_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        uri = f"modbus://127.0.0.1:{taken.getsockname()[1]}"
        command = [*JIDOKA, "plc", "simulate", uri, "--account", str(tmp_path / "a")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "choose another port" in done.stderr
    command = [
        *JIDOKA,
        "plc",
        "simulate",
        "modbus://127.0.0.1:0",
        "--account",
        str(tmp_path / "a"),
        "--fault",
        "storm@3",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "storm@3" in done.stderr


def test_a_camera_that_gives_no_frame_leaves_parts_not_inspected_with_that_reason(line: LineUnderTest) -> None:
    line.start_machine(8)
    line.start_station(cameras=[{"name": "top", "uri": "sim:?width=160&height=120&silent_after=1"}])
    line.finish()
    reasons = [row["reasons"][0]["code"] for row in line.rows()]
    assert {row["verdict"] for row in line.rows()[1:]} == {"NOT_INSPECTED"}
    assert "camera_no_frame" in reasons

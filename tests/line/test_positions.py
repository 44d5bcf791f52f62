"""Cameras at two places along the belt: one verdict, by the encoder, and no part's time runs while the belt stands."""

import subprocess

from tests.line.conftest import JIDOKA, LATE, LineUnderTest, Row

POSITION = 450  # counts between the cameras: at 0.2 s takt and 1,000 counts/s two or three parts are between them
TRAVEL = ("--travel-s", "1.2")


def start(line: LineUnderTest, parts: int, *more: str) -> None:
    back = line.stage.with_name("back")
    line.start_machine(parts, "--stage-at", f"{POSITION}:{back}", *TRAVEL, *more, takt_s=0.2)
    cameras = [
        {"name": "back", "uri": f"folder:{back}", "position_counts": POSITION},
        {"name": "top", "uri": f"folder:{line.stage}"},
    ]
    package = str(line.taught / "plate.jdk")
    tools = [{"name": name, "camera": name, "package": package} for name in ("top", "back")]
    cycle = {"takt_s": 0.2, "deadline_ms": 180, "exposure_window_ms": 90, "least_spacing_counts": 190}
    line.start_station(cameras=cameras, cycle=cycle, extra={"tools": tools})


def judged(line: LineUnderTest) -> list[Row]:
    return [row for row in line.rows() if row["verdict"] != "NOT_INSPECTED"]


def test_both_places_make_one_verdict_and_a_stopped_belt_expires_nobody(line: LineUnderTest) -> None:
    start(line, 30, "--fault", "stop@12:1.5")
    result = line.finish()
    assert result["problems"] == []  # every picture, of both cameras, is the part's own
    assert set(result["not_inspected"]) <= LATE
    rows = judged(line)
    assert len(rows) > 20
    assert {row["verdict"] for row in rows} == {"OK", "NG"}
    for row in rows:
        assert [picture["camera"] for picture in row["pictures"]] == ["top", "back"]
        assert [tool["tool"] for tool in row["tools"]] == ["top", "back"]
        assert row["laps_us"]["exposed"] - row["laps_us"]["exposed@0"] > 300_000
    stood = [row for row in rows if row["laps_us"]["exposed"] - row["laps_us"]["exposed@0"] > 1_500_000]
    assert stood  # they were between the cameras while the belt stood, and were judged all the same


def test_a_gate_killed_while_parts_are_between_the_cameras_accounts_for_them(line: LineUnderTest) -> None:
    start(line, 36)
    line.wait_for_parts(8)
    line.kill("gate")
    result = line.finish()
    assert result["problems"] == []
    assert "gate_restarted" in result["not_inspected"]
    assert line.inspects_again()


def test_a_restarted_plc_brings_no_part_to_its_second_camera(line: LineUnderTest) -> None:
    start(line, 30, "--fault", "restart@12")
    result = line.finish()
    assert result["problems"] == []
    assert "plc_restarted" in result["not_inspected"]
    assert line.inspects_again()


def test_a_plc_that_was_silent_while_parts_passed_the_second_camera_gets_no_verdict_for_them(
    line: LineUnderTest,
) -> None:
    start(line, 30, "--fault", "silent@12:0.6")
    result = line.finish()
    assert result["problems"] == []
    assert "exposure_missed" in result["not_inspected"]
    assert line.inspects_again()


def test_a_station_file_that_is_edited_meanwhile_changes_nothing_not_even_through_a_kill(line: LineUnderTest) -> None:
    start(line, 40)
    line.wait_for_parts(6)
    station = line.folder / "station.toml"
    station.write_text(station.read_text().replace(f"position_counts = {POSITION}", "position_counts = 0"))
    line.kill("gate")
    line.kill("engine")
    result = line.finish()
    assert result["problems"] == []
    assert line.inspects_again()
    assert {tuple(picture["camera"] for picture in row["pictures"]) for row in judged(line)} == {("top", "back")}
    attached = line.events("engine_attached")
    assert len(attached) >= 2
    assert len({row["station_sha256"] for row in attached}) == 1
    assert all("provisional" in row["recipes"]["plate"] for row in attached)
    assert all("provisional" in row["unproven"] for row in judged(line))


def test_a_camera_further_along_needs_the_spacing(line: LineUnderTest) -> None:
    line.uri = "modbus://127.0.0.1:1"
    line.write_station(cameras=[{"name": "top", "uri": "sim:", "position_counts": 400}])
    recipe = line.folder / "recipes" / "plate" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("least_spacing_counts = 150\n", ""))
    command = [*JIDOKA, "run", str(line.folder / "station.toml"), "--state", str(line.state.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "least_spacing_counts: missing: camera 'top'" in done.stderr

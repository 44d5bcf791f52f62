"""What the web process answers, and what it refuses."""

import base64
import json
import socket
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from camera_drivers.folder import read
from edge.messages import AlarmState
from edge.web.app import MAX_PAGES
from tests.web.conftest import Station, Web, cell, score_map, wait_until, why
from vocabulary import picture_hash


def live(web: Web, origin: str | None = None) -> AbstractContextManager[ClientConnection]:
    address = web.url.replace("http", "ws") + "/ws/live"
    return connect(address, origin=Origin(origin or web.url))


def hear(page: ClientConnection) -> dict[str, Any]:
    """The next frame, acknowledged."""
    frame: dict[str, Any] = json.loads(page.recv(timeout=10))
    page.send(str(frame["n"]))
    return frame


def hear_until(page: ClientConnection, condition: Any) -> dict[str, Any]:
    for _ in range(200):
        if condition(frame := hear(page)):
            return frame
    raise AssertionError("200 frames in vain")


def test_the_state_holds_the_gate_the_part_and_the_counts(station: Station, web: Web) -> None:
    sha256 = station.show(7, "NG")
    state = wait_until(lambda: shown(web), "the part")
    assert (state["station"], state["gate"]["mode"], state["counts"]["NG"]) == ("EL-3", "AUTO", 1)
    assert (state["part"]["part"], state["part"]["verdict"], state["part"]["picture"]["sha256"]) == (7, "NG", sha256)
    assert state["part"]["tool"]["limit"] == 0.62
    assert state["margin_us"] == {"least": 158_600, "n": 1}
    assert state["age_ms"] >= 0


def metric(web: Web, name: str, **labels: str) -> float | None:
    """One sample, read by Prometheus' own parser."""
    answer = httpx.get(f"{web.url}/metrics")
    families = list(text_string_to_metric_families(answer.text))
    found = [one for family in families for one in family.samples if (one.name, one.labels) == (name, labels)]
    return found[0].value if found else None


def test_metrics_say_what_the_state_says(station: Station, web: Web) -> None:
    station.gate["missed"] = 3
    for number, verdict in enumerate(["OK", "NG", "NG", "NOT_INSPECTED"], 1):
        before = {"part": number - 1, "written_us": 31_600, "consumed_us": 30_000 + number * 2_000}
        station.show(number, verdict, taken=[before] if number > 1 else [])
    wait_until(lambda: metric(web, "jidoka_parts_total", verdict="NOT_INSPECTED") == 1, "the last part")
    assert metric(web, "jidoka_lap_seconds_count", lap="consumed") == 3
    consumed = [metric(web, "jidoka_lap_quantile_seconds", lap="consumed", quantile=one) for one in ("0.5", "1")]
    assert consumed == [0.036, 0.038]
    assert metric(web, "jidoka_deadline_misses_total") == 3
    assert [metric(web, "jidoka_commit_quantile_seconds", quantile=one) for one in ("0.5", "1")] == [0.006, 0.008]
    assert [metric(web, "jidoka_records_held", when=one) for one in ("now", "most")] == [2, 7]
    assert [metric(web, "jidoka_parts_total", verdict=one) for one in ("OK", "NG", "RECHECK")] == [1, 2, 0]
    assert metric(web, "jidoka_lap_seconds_count", lap="answered") == 4
    assert metric(web, "jidoka_ready") == metric(web, "jidoka_station_up") == 1
    assert metric(web, "jidoka_mode", jidoka_mode="AUTO") == 1
    assert metric(web, "jidoka_mode", jidoka_mode="BYPASS") == 0
    assert metric(web, "jidoka_deadline_seconds") == 0.19
    assert metric(web, "jidoka_ledger_rows_total") == 4
    station.gate["alarms"] = [AlarmState("disk_low", 2, "x", "y", "acknowledged", False, 0, "", None, "kaya")]
    station.gate["ready"], station.gate["unmet"] = False, [why("camera_not_ready", "top: gone")]
    wait_until(lambda: metric(web, "jidoka_unmet", code="camera_not_ready") == 1, "the reason")
    assert metric(web, "jidoka_ready") == 0
    assert metric(web, "jidoka_alarms", key="disk_low", priority="2", state="acknowledged") == 1
    station.speaking = False
    wait_until(lambda: metric(web, "jidoka_station_up") == 0, "the gate's silence")


def shown(web: Web) -> Any:
    state = httpx.get(f"{web.url}/api/state").json()
    return state if state["part"] and state["gate"] else None


def test_the_measured_takt_is_the_mean_of_the_last_intervals(station: Station, web: Web) -> None:
    for number in (10, 11, 12, 14):  # half a second per number: 0.5, 0.5, 1.0
        station.show(number, "OK")
    wait_until(lambda: (shown(web) or {"part": {"part": 0}})["part"]["part"] == 14, "the last part")
    assert shown(web)["takt_s"] == pytest.approx(2.0 / 3)


def test_parts_come_from_the_ledger_newest_first(station: Station, web: Web) -> None:
    for number, verdict in enumerate(("OK", "NG", "OK", "NOT_INSPECTED"), 1):
        station.show(number, verdict, picture=verdict != "NOT_INSPECTED")
    parts = httpx.get(f"{web.url}/api/parts").json()["parts"]
    assert [row["part"] for row in parts] == [4, 3, 2, 1]
    assert parts[0]["picture"] is None
    some = httpx.get(f"{web.url}/api/parts?limit=1&verdict=NG&verdict=NOT_INSPECTED").json()["parts"]
    assert [(row["part"], row["verdict"], row["reasons"][0]["code"]) for row in some] == [
        (4, "NOT_INSPECTED", "camera_no_frame")
    ]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=ten", "verdict=MAYBE"])
def test_a_wrong_question_is_refused(web: Web, query: str) -> None:
    assert httpx.get(f"{web.url}/api/parts?{query}").status_code == 422


def test_pictures_come_by_their_hash_from_the_live_folder_or_the_archive(station: Station, web: Web) -> None:
    sha256 = str(station.show(3, "NG"))
    live_file = station.state.live / f"{sha256}.png"
    answer = httpx.get(f"{web.url}/api/picture/{sha256}")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == live_file.read_bytes()
    kept = station.state.pictures / sha256[:2] / f"{sha256}.png"
    kept.parent.mkdir()
    live_file.rename(kept)
    again = httpx.get(f"{web.url}/api/picture/{sha256}")
    assert again.status_code == 200
    assert picture_hash(read(kept, "test")) == picture_hash(cell(3)) == sha256
    assert again.content == answer.content


@pytest.mark.parametrize(
    "name", ["0" * 63, "g" * 64, "A" * 64, "..%2f..%2fledger.sqlite", "%2e%2e/station_file", "0" * 64 + ".png"]
)
def test_only_hashes_are_pictures_never_paths(web: Web, name: str) -> None:
    assert httpx.get(f"{web.url}/api/picture/{name}").status_code in (404, 422)


def test_an_unknown_picture_is_not_found(web: Web) -> None:
    answer = httpx.get(f"{web.url}/api/picture/{'0' * 64}")
    assert answer.status_code == 404
    assert "not kept" in answer.json()["error"]


def test_ready_follows_the_station_and_alive_does_not(station: Station, web: Web) -> None:
    wait_until(lambda: httpx.get(f"{web.url}/readyz").status_code == 200, "ready")
    station.gate |= {"ready": False, "unmet": [why("plc_lost", "modbus: no answer")]}
    refusal = wait_until(lambda: (a := httpx.get(f"{web.url}/readyz")).status_code == 503 and a, "not ready")
    assert refusal.json() == {"ready": False, "why": "modbus: no answer"}
    station.gate |= {"ready": True, "unmet": []}
    wait_until(lambda: httpx.get(f"{web.url}/readyz").status_code == 200, "ready again")
    station.speaking = False
    refusal = wait_until(lambda: (a := httpx.get(f"{web.url}/readyz")).status_code == 503 and a, "silence")
    assert "gate" in refusal.json()["why"]
    assert httpx.get(f"{web.url}/livez").status_code == 200


def test_every_answer_forbids_what_the_page_does_not_need(web: Web) -> None:
    for path in ("/", "/static/app.js", "/api/state", "/nowhere"):
        headers = httpx.get(f"{web.url}{path}").headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/static/../app.py", "/static/%2e%2e/main.py"])
def test_nothing_else_is_served(web: Web, path: str) -> None:
    assert httpx.get(f"{web.url}{path}").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_page_changes_nothing(web: Web, method: str) -> None:
    assert httpx.request(method, f"{web.url}/api/state").status_code == 405


def test_live_frames_carry_the_part_once_and_the_map_as_steps(station: Station, web: Web) -> None:
    with live(web) as page:
        station.show(5, "NG")
        first = hear_until(page, lambda frame: frame["part"])
        assert first["part"]["part"] == 5
        its = first["part"]["map"]
        assert (its["width"], its["height"], its["top"]) == (28, 28, pytest.approx(1.24))
        following = [hear(page) for _ in range(3)]
        assert [frame["part"] for frame in following] == [None] * 3
        assert [frame["n"] for frame in following] == [first["n"] + k for k in (1, 2, 3)]


def test_a_page_that_does_not_acknowledge_gets_no_more_and_then_the_newest_part(station: Station, web: Web) -> None:
    with live(web) as page:
        hear(page)
        waiting = json.loads(page.recv(timeout=10))  # not acknowledged
        for number in range(1, 21):
            station.show(number, "OK")
        with pytest.raises(TimeoutError):
            page.recv(timeout=1)
        page.send("999999")  # not the number of the frame
        with pytest.raises(TimeoutError):
            page.recv(timeout=0.5)
        page.send(str(waiting["n"]))
        parts = [frame["part"]["part"] for frame in (hear(page) for _ in range(5)) if frame["part"]]
        assert parts == [20]


def test_a_page_hears_the_server_although_the_station_is_silent(station: Station, web: Web) -> None:
    with live(web) as page:
        hear_until(page, lambda frame: frame["gate"])
        station.speaking = False
        silent = hear_until(page, lambda frame: frame["age_ms"] > 1500)
        assert silent["gate"]["mode"] == "AUTO"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_another_origin_gets_no_live_data(web: Web, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refusal, live(web, origin):
        pass
    assert refusal.value.response.status_code == 403


def test_one_page_too_many_is_told_so_and_a_closed_page_makes_room(web: Web) -> None:
    with ExitStack() as pages:
        for _ in range(MAX_PAGES - 1):
            hear(pages.enter_context(live(web)))
        with live(web) as last:
            hear(last)
            with live(web) as late, pytest.raises(ConnectionClosed, match="close one"):
                hear(late)
        wait_until(lambda: accepted(web), "room for a page")


def accepted(web: Web) -> bool:
    with live(web) as page:
        try:
            return bool(hear(page))
        except ConnectionClosed:
            return False


def test_gate_and_recorder_may_come_back(station: Station, web: Web) -> None:
    for role in ("gate", "recorder"):
        for channel in station.pages[role]:
            channel.close()
        station.pages[role].clear()
    wait_until(lambda: all(station.pages.values()), "both to be connected again")
    station.show(2, "OK")
    assert wait_until(lambda: shown(web), "the part")["part"]["part"] == 2


def test_the_counts_of_the_ledger_are_there_before_the_first_part(station: Station, tmp_path: Path) -> None:
    station.show(1, "NG")
    web = Web(station, tmp_path)
    try:
        state = httpx.get(f"{web.wait().url}/api/state").json()
        assert state["part"] is None
        assert state["counts"] == {"NG": 1}
    finally:
        web.end()


def test_a_taken_port_is_one_line_with_its_remedy(station: Station, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = Web(station, tmp_path, port=taken.getsockname()[1])
        said, _ = web.popen.communicate(timeout=60)
    assert web.popen.returncode == 2
    assert len(said.strip().splitlines()) == 1
    assert "Address already in use: choose another web.port" in said


def test_the_web_process_loads_no_camera_plc_or_model_code() -> None:
    code = "import sys, edge.web.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"camera_drivers", "plc_io", "models", "training", "onnxruntime", "cv2", "pymodbus"})
    assert "fastapi" in loaded


def test_score_maps_are_scaled_so_that_the_limit_is_half_way(station: Station, web: Web) -> None:
    with live(web) as page:
        station.show(5, "NG")
        its = hear_until(page, lambda frame: frame["part"])["part"]["map"]
    steps = np.frombuffer(base64.b64decode(its["steps"]), np.uint8).reshape(28, 28)
    assert np.array_equal(steps > 127, score_map() > 0.62)

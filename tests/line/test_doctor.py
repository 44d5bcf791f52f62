"""`jidoka doctor` names what is wrong, with the remedy, and nothing that is not."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.line.conftest import JIDOKA, LineUnderTest, wait_until


def examined(line: LineUnderTest) -> tuple[int, dict[str, dict[str, Any]]]:
    command = [*JIDOKA, "doctor", str(line.folder / "station.toml"), "--state", str(line.state.root), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, {one["what"]: one for one in json.loads(done.stdout.splitlines()[-1])["findings"]}


def settings(line: LineUnderTest, **changed: Any) -> None:
    """Only the files of a station: it is not started."""
    line.start_station(**changed)
    assert line.station is not None
    line.station.kill()
    line.station.communicate()
    line.station = None


def test_a_station_that_could_run_is_well(line: LineUnderTest) -> None:
    line.start_machine(5)
    settings(line)
    _, found = examined(line)
    for what in ("state folder", "limits plate"):
        assert what not in found
    for what in ("recipes", "certificate plate", "camera top", "plc", "page", "disk room", "clock"):
        assert found[what]["ok"], found[what]
    assert "allowed by allow_provisional" in found["certificate plate"]["found"]
    assert "heartbeat moves" in found["plc"]["found"]


def test_every_wrong_thing_is_named_with_its_remedy(line: LineUnderTest, tmp_path: Path) -> None:
    line.uri = "modbus://127.0.0.1:1"
    camera = {"name": "top", "uri": f"folder:{tmp_path / 'nowhere'}"}
    settings(line, cameras=[camera], allow_provisional=False, pictures={"min_free_mb": 10**9})
    code, found = examined(line)
    assert code == 1
    for what, remedy in (
        ("camera top", "name a folder of pictures"),
        ("plc", "check address, cable"),
        ("certificate plate", "--certify"),
        ("limits plate", "teach on more good parts"),
        ("disk room", "free disk space"),
    ):
        assert not found[what]["ok"]
        assert remedy in found[what]["remedy"]


def test_a_running_station_keeps_its_devices(line: LineUnderTest) -> None:
    line.start_machine(5)
    line.start_station()
    wait_until(line.state.endpoints.exists, "the station")
    _, found = examined(line)
    assert "runs here now" in found["station"]["found"]
    assert "camera top" not in found


def test_broken_settings_are_a_finding(line: LineUnderTest) -> None:
    line.state.make()
    (line.folder / "station.toml").write_text("name = 3")
    code, found = examined(line)
    assert code == 1
    assert "station.toml" in found

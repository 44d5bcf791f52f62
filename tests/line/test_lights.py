"""A strobe controller at the whole station: it falls silent, goes, comes back otherwise; no part is judged then."""

from collections.abc import Iterator

import pytest

from edge.recorder.verify import read_account
from tests.camera_drivers.gardasoft_peer import Controller
from tests.line.conftest import LATE, LineUnderTest, status, wait_until

PULSE = {"intensity_percent": 50, "pulse_us": 100, "delay_us": 20, "period_us": 100_000}


@pytest.fixture
def peers(line: LineUnderTest) -> Iterator[list[Controller]]:
    """Those that were plugged in, the last one is there now."""
    peers = [Controller(line.folder / "ttyLight")]
    yield peers
    for peer in peers:
        peer.unplug()


def unmet(line: LineUnderTest) -> list[str]:
    return [why["code"] for why in status(line)["unmet"]]


def judges_again(line: LineUnderTest) -> None:
    wait_until(lambda: not unmet(line), "the light to be set again")
    line.wait_for_parts(len(read_account(line.account)) + 6)
    wait_until(line.inspects_again, "verdicts")


def test_while_the_light_is_in_doubt_parts_are_not_inspected_by_name_and_it_comes_back_by_itself(
    line: LineUnderTest, peers: list[Controller]
) -> None:
    line.start_machine(400)
    line.write_station(
        lights={"ring": {"uri": f"gardasoft:{line.folder / 'ttyLight'}"}}, extra={"lights": {"ring": {"1": PULSE}}}
    )
    line.launch()
    line.wait_for_parts(6)
    wait_until(line.inspects_again, "the first verdicts")
    assert peers[0].channels[1]["S"] == 50.0

    peers[0].silent = True
    wait_until(lambda: "light_lost" in unmet(line), "READY to go off")
    alarms = wait_until(lambda: [one for one in status(line)["alarms"] if one["key"] == "light_lost"], "the alarm")
    assert "power, cable and port" in alarms[0]["action"]
    peers[0].silent = False
    judges_again(line)

    peers[0].unplug()
    wait_until(lambda: "light_lost" in unmet(line), "the loss to be seen")
    peers.append(Controller(line.folder / "ttyLight"))
    judges_again(line)
    assert (peers[1].channels[1]["MD"], peers[1].channels[2]["S"]) == (1, 0.0)

    peers[1].answers = {"ST": b"\x00\xff hello>"}
    wait_until(lambda: "light_failed" in unmet(line), "the garbage to be seen")
    peers[1].answers = {}
    judges_again(line)

    result = line.end_feeding()
    assert result["problems"] == []
    codes = set(result["not_inspected"])
    assert {"light_lost", "light_failed"} <= codes
    assert codes <= {"light_lost", "light_failed", "light_settling"} | LATE
    assert {"OK", "NG"} <= {row["verdict"] for row in read_account(line.account)}
    raised = [one["key"] for one in line.events("alarm_raised")]
    assert "light_lost" in raised

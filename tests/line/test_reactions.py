"""The line stops, holds or warns when a part leaves otherwise than it was told, and goes on after a reset."""

import pytest

from tests.line.conftest import LineUnderTest


def raised(line: LineUnderTest) -> list[tuple[str, str]]:
    return [(row["on"], row["do"]) for row in line.events("alarm_raised")]


def test_a_jammed_rejecter_is_seen_stops_the_line_and_is_in_the_ledger(line: LineUnderTest) -> None:
    line.start_machine(20, "--fault", "jam@8", "--reset-after-s", "0.5")  # every fourth part is bad
    line.start_station()
    result = line.finish()
    assert result["problems"] == ["part 8 (trigger 8): passed although the ledger has NG"]
    assert raised(line) == [("escape_seen", "stop")]
    assert "part 8 had NG" in line.events("alarm_raised")[0]["text"]
    assert [row["on"] for row in line.events("alarm_reset")] == ["escape_seen"]
    assert result["triggers"] == 20  # it went on after the reset
    assert line.inspects_again()


@pytest.mark.parametrize(("fault", "on"), [("misfire@6", "reject_after_ok"), ("unseen@6", "unconfirmed")])
def test_what_the_sensors_behind_the_rejecter_say_is_held_against_the_verdict(
    line: LineUnderTest, fault: str, on: str
) -> None:
    line.start_machine(16, "--fault", fault)
    line.start_station()
    result = line.finish()
    assert result["problems"] == []
    assert raised(line) == [(on, "alarm")]
    assert "part 6" in line.events("alarm_raised")[0]["text"]


def test_a_recipe_may_stop_the_line_for_bad_parts_in_a_row(line: LineUnderTest) -> None:
    """Every fourth part is bad: two of the last five."""
    line.start_machine(16, "--reset-after-s", "0.3")
    line.start_station(reactions=[{"on": "NG", "count": 2, "within": 5, "do": "stop"}])
    result = line.finish()
    assert result["problems"] == []
    assert set(raised(line)) == {("NG", "stop")}
    assert len(line.events("alarm_reset")) >= 1
    assert result["triggers"] == 16

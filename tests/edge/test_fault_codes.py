"""FAULT_CODE: each thing that an operator is told has a number of its own."""

import json

from edge.gate.alarms import CONDITIONS
from edge.gate.reactions import MEANING
from plc_io import tag_maps
from plc_io.fault_codes import FAULT_CODES, OTHER


def test_each_alarm_has_a_number_of_its_own() -> None:
    assert set(CONDITIONS) | set(MEANING) <= set(FAULT_CODES)
    assert len(set(FAULT_CODES.values())) == len(FAULT_CODES)
    assert all(100 < number < OTHER for number in FAULT_CODES.values())


def test_the_numbers_are_in_the_map_that_a_plc_programmer_prints() -> None:
    codes = json.loads(tag_maps.as_json())["codes"]["FAULT_CODE"]
    assert (codes["plc_heartbeat"], codes["escape_seen"]) == (103, 401)
    assert "401 escape_seen" in tag_maps.table()

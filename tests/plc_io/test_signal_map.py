"""The printed map: complete, free of overlaps, readable in one request, and the numbers that PLC projects rely on."""

import json
from itertools import pairwise

from plc_io import tag_maps

# typed from the printed table of map v1; a PLC project that was built on it must go on working
FIXED = {
    ("PLC → vision: header", "MAP_VERSION"): 0,
    ("PLC → vision: header", "PLC_EPOCH"): 3,
    ("PLC → vision: header", "TRIG_SEQ"): 7,
    ("PLC → vision: header", "VIS_EPOCH_SEEN"): 10,
    ("PLC → vision: header", "UNCONFIRMED"): 22,
    ("PLC → vision: trigger ring", "SEQ"): 40,
    ("PLC → vision: confirm ring", "SEQ"): 264,
    ("vision → PLC: header", "STATUS"): 1001,
    ("vision → PLC: header", "RES_SEQ"): 1009,
    ("vision → PLC: result ring", "SEQ"): 1020,
    ("vision → PLC: result ring", "VERDICT_NOT"): 1027,
    ("vision → PLC: result ring", "SEQ_AGAIN"): 1031,
}
MOST_REGISTERS = 125  # of one read, MODBUS application protocol v1.1b3, 6.3


def registers() -> dict[tuple[str, str, int], range]:
    """Every signal of every entry with the registers it takes."""
    found = {}
    for block in json.loads(tag_maps.as_json())["blocks"]:
        for entry in range(block["entries"]):
            for signal in block["signals"]:
                first = block["register"] + entry * block["words"] + signal["offset"]
                found[block["block"], signal["name"], entry] = range(first, first + signal["words"])
    return found


def test_numbers_stay() -> None:
    places = registers()
    for (block, name), register in FIXED.items():
        assert places[block, name, 0].start == register, f"{block}: {name}"


def test_no_two_signals_share_a_register() -> None:
    for one, other in pairwise(sorted(registers().values(), key=lambda place: place.start)):
        assert one.stop <= other.start


def test_headers_and_entries_fit_one_request() -> None:
    blocks = json.loads(tag_maps.as_json())["blocks"]
    assert all(sum(signal["words"] for signal in block["signals"]) <= MOST_REGISTERS for block in blocks)
    assert all(sum(signal["words"] for signal in block["signals"]) == block["words"] for block in blocks)


def test_table_and_structured_text_name_every_signal() -> None:
    table, text = tag_maps.table(), tag_maps.structured_text()
    for _, name, _ in registers():
        assert f" {name} " in table
        assert f"    {name} : " in text


def test_codes_are_the_printed_ones() -> None:
    codes = json.loads(tag_maps.as_json())["codes"]
    assert codes["VERDICT"] == {"OK": 1, "NG": 2, "RECHECK": 3, "NOT_INSPECTED": 4}
    assert codes["CTRL bits"]["allow_auto"] == 4
    assert codes["STATUS bits"]["ready"] == 1

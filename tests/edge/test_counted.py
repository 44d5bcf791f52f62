"""The PLC's counters in the ledger against the rows between, with histories made by a counting of its own."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.recorder.counted import SLACK, Counted

Row = dict[str, Any]
NOTE = "note"
ROUTES = {"passed": 0, "rejected": 1, "unseen": 1}  # how a part left → rejects that the PLC counts


def history(ways: list[str], first: int, *, every: int = 7, in_flight: int = 3) -> list[Row]:
    """Rows of parts that left so, a note each `every` parts; the rows of the last parts come after their note."""
    rows: list[Row] = []
    late: list[Row] = []
    rejects = unconfirmed = seq = 0

    def note(parts: int, last: bool = False) -> Row:
        plc = {"epoch": 5, "parts": (first + parts) % 2**32, "rejects": (2**32 - 2 + rejects) % 2**32, "timeouts": 0}
        plc |= {"unconfirmed": unconfirmed, "confirmed": seq}
        return {"kind": "event", "code": "plc_counters", "plc": plc, "sensors": True, "last": last, "entry": 1}

    rows.append(note(0))
    for count, way in enumerate(ways, 1):
        late.append({"kind": "part", "plc": {"epoch": 5, "parts": (first + count) % 2**32}})
        rejects, unconfirmed = rejects + ROUTES[way], unconfirmed + (way == "unseen")
        if way != "unseen":
            seq += 1
            rows.append({"kind": "confirmation", "what": way})
        while len(late) > in_flight:
            rows.append(late.pop(0))
        if count % every == 0:
            rows.append(note(count))
    return [*rows, *late, note(len(ways), last=True)]


def found(rows: list[Row]) -> dict[str, Any]:
    counted = Counted()
    for row in rows:
        counted.saw(row)
    return counted.result()


WAYS = st.lists(st.sampled_from(sorted(ROUTES)), min_size=1, max_size=120)
FIRST = st.one_of(st.integers(0, 50), st.integers(2**32 - 60, 2**32 - 1))  # the counters wrap


@given(WAYS, FIRST)
def test_a_whole_history_has_no_problem(ways: list[str], first: int) -> None:
    result = found(history(ways, first))
    assert (result["problems"], result["told"]) == ([], [])
    assert result["parts"] == result["rows"] == len(ways)
    assert result["seen_rejected"] == ways.count("rejected")
    assert result["rejects"] == ways.count("rejected") + ways.count("unseen")


@given(WAYS, FIRST, st.data())
def test_a_part_that_the_plc_counted_and_nobody_judged_is_found(ways: list[str], first: int, data: Any) -> None:
    rows = history(ways, first)
    del rows[data.draw(st.sampled_from([k for k, row in enumerate(rows) if row["kind"] == "part"]))]
    result = found(rows)
    assert len(result["problems"]) == 1
    assert "have a row" in result["problems"][0]


@given(WAYS, FIRST, st.integers(SLACK + 1, 200), st.data())
def test_rejects_that_no_sensor_saw_are_found(ways: list[str], first: int, extra: int, data: Any) -> None:
    rows = history(ways, first)
    notes = [k for k, row in enumerate(rows) if row.get("code") == "plc_counters"]
    for k in notes[notes.index(data.draw(st.sampled_from(notes[1:]))) :]:
        rows[k]["plc"]["rejects"] = (rows[k]["plc"]["rejects"] + extra) % 2**32
    assert "rejects" in "".join(found(rows)["problems"])


@given(WAYS, FIRST, st.integers(SLACK + 1, 200))
def test_rejects_seen_that_the_plc_does_not_count_are_found(ways: list[str], first: int, extra: int) -> None:
    rows = history(ways, first)
    seen = [{"kind": "confirmation", "what": "rejected"}] * (extra + ways.count("unseen"))  # those it counts, too
    result = found([*rows[:-1], *seen, rows[-1]])
    assert len(result["problems"]) == 1


def test_accounting_that_begins_anew_is_no_difference() -> None:
    anew = {"kind": "event", "code": "plc_session", "anew": True, "text": "first contact"}
    assert found([*history(["rejected"] * 9, 40), anew, *history(["passed"] * 9, 7)])["problems"] == []


def test_what_the_station_told_itself_is_shown() -> None:
    told = {"kind": "event", "code": "counter_mismatch", "text": "the PLC counts +3 parts beside its triggers"}
    result = found([*history(["passed"] * 9, 40), told])
    assert result["told"] == [told["text"]]

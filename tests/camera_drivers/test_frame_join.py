"""Which trigger a frame answers, for a camera that swallows triggers without using up a frame id."""

import pytest

from camera_drivers.bookkeeping import Book
from camera_drivers.frame_join import FrameJoin


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        # T: a trigger, numbered from 1, with so many frames here and not fetched; F: a frame with this id
        ([("T", 0), ("F", 7), ("T", 0), ("F", 8)], [1, 2]),  # one at a time
        ([("T", 0), ("T", 1), ("F", 7), ("F", 8)], [1, 2]),  # the first frame was here already
        ([("T", 0), ("T", 0), ("T", 0), ("F", 7), ("T", 0), ("F", 8)], [1, None]),  # 2 and 3 swallowed, or 2 late
        ([("T", 0), ("T", 0), ("F", 7), ("F", 8)], [1, 2]),  # as many ids as triggers: none was swallowed
        ([("T", 0), ("F", 7), ("T", 0), ("T", 0), ("F", 9)], [1, 3]),  # id 8 was lost on the way, and was trigger 2
        ([("T", 0), ("T", 0), ("T", 1), ("F", 7), ("F", 8)], [1, None]),  # doubt lasts while older triggers wait
    ],
)
def test_a_frame_that_may_be_anyones_is_nobodys(what: list[tuple[str, int]], expected: list[int | None]) -> None:
    book = Book()
    join = FrameJoin(book)
    join.begin()
    found, number = [], 0
    for kind, value in what:
        if kind == "T":
            number += 1
            join.triggered(number, here=value)
        else:
            found.append(join.frame(value)[0])
            book.frame(complete=True)
    join.end()
    assert found == expected
    assert book.triggers == number == book.delivered + book.lost

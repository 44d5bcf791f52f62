"""What the PLC's deadline gives away is measured, not guessed."""

from edge.gate.transport import PARTS, Transport


def test_the_longest_way_in_and_the_longest_way_out_are_added() -> None:
    transport = Transport()
    assert transport.worst_ms == 0
    transport.trigger(1_000_000, 4_000_000)
    transport.trigger(5_000_000, 6_000_000)
    transport.trigger(None, 99_000_000)  # of unknown age
    transport.consumed(0, 2_500_000)
    assert transport.worst_ms == 5.5


def test_only_the_last_parts_count() -> None:
    transport = Transport()
    transport.trigger(0, 50_000_000)
    for _ in range(PARTS):
        transport.trigger(0, 1_000_000)
    assert transport.worst_ms == 1.0

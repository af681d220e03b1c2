"""S4: concurrent seats are the largest peak, named seats the distinct agents: the numbers of SPEC §1."""

from __future__ import annotations

import json

import pytest

from tests.meters.driver import Facts, run
from tests.spec import reading
from tests.spec.seat_examples import SeatCase


def _facts(presences: str) -> Facts:
    return run([[json.dumps(event).encode() for event in SeatCase("S4", "seats", presences, 0, 0).events()]])


@pytest.mark.parametrize(
    ("presences", "concurrent", "named"),
    [
        ("a1..a34 0-8h, a35..a67 8h-16h, a68..a100 16h-24h", 34, 100),
        ("a1..a50 0-8h, a51..a100 8h-16h, a101..a150 16h-24h", 50, 150),
        # A hand-over of one millisecond: those who go and those who come hold seats together.
        ("a1..a50 0-8h+1ms, a51..a100 8h-16h, a101..a150 16h-24h", 100, 150),
        # The same hundred agents in each shift.
        ("a1..a100 0-8h, a1..a100 8h-16h, a1..a100 16h-24h", 100, 100),
    ],
)
def test_three_shifts_take_the_seats_of_the_largest_and_a_name_for_each_agent(presences: str, concurrent: int, named: int) -> None:
    facts = _facts(presences)

    assert (reading.concurrent_seats(facts), reading.named_seats(facts)) == (concurrent, named)

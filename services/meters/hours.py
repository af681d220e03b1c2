"""P2: where a conversation or call slept for so long that what follows is another one. Pure; state is a sorted list of UTC hours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from services.meters.rules import HOUR_MS, SLEEP_HOURS_MAX
from services.meters.sets import put_once


def add_hour(hours: list[int], at_ms: int) -> None:
    """Put the hour of an instant into the sorted list, once."""
    put_once(hours, at_ms // HOUR_MS)


def end_of_hour(hour: int) -> int:
    """The last millisecond of an hour."""
    return (hour + 1) * HOUR_MS - 1


def sleeps(hours: list[int]) -> Iterator[tuple[int, int]]:
    """(last instant before, first instant after) of every sleep."""
    if len(hours) < 2 or hours[-1] - hours[0] <= SLEEP_HOURS_MAX:
        return
    for before, after in pairwise(hours):
        if after - before > SLEEP_HOURS_MAX:
            yield end_of_hour(before), after * HOUR_MS

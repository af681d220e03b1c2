"""P2: where a conversation or call slept for so long that what follows is another one. Pure.

State is a sorted list with the latest event of each UTC hour that holds one: enough to cut, and to say when each part was last heard of (U8).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from services.meters.rules import HOUR_MS, SLEEP_HOURS_MAX


def hear(lasts: list[int], at_ms: int) -> None:
    """Put an event into the list."""
    hour_ms = at_ms - at_ms % HOUR_MS
    place = bisect_left(lasts, hour_ms)
    if place == len(lasts) or lasts[place] >= hour_ms + HOUR_MS:
        lasts.insert(place, at_ms)
    elif at_ms > lasts[place]:
        lasts[place] = at_ms


def may_sleep(lasts: list[int]) -> bool:
    """Can there be a sleep in it? False is certain."""
    return lasts[-1] // HOUR_MS - lasts[0] // HOUR_MS > SLEEP_HOURS_MAX


def sleeps(lasts: list[int]) -> Iterator[tuple[int, int]]:
    """(last event before, first instant after) of every sleep."""
    if not lasts or not may_sleep(lasts):
        return
    for before, after in pairwise(lasts):
        if after // HOUR_MS - before // HOUR_MS > SLEEP_HOURS_MAX:
            yield before, after - after % HOUR_MS

"""What a real log adds to clean traffic: duplicates, disorder, events that come too late, and records that are no events.

Delays stay below 20 h, so that nothing is too late (SPEC T4: 24 h), save for the few that are meant to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from random import Random
from typing import Final

from services.local.traffic.settings import HOUR_MS, MINUTE_MS, SECOND_MS

DUPLICATES: Final = 0.03
LATE_BY_MINUTES: Final = 0.05
LATE_BY_HOURS: Final = 0.003
TOO_LATE: Final = 0.0003
MALFORMED: Final = 0.0005

_SPOILED: tuple[Callable[[bytes], bytes], ...] = (
    lambda line: line[: len(line) // 2],
    lambda line: b"not JSON at all",
    lambda line: line.replace(b'"workspace_id"', b'"tenant"', 1),
    lambda line: line.replace(b'"type":"', b'"type":"custom.', 1),
    lambda line: line.replace(b'"time":"2', b'"time":"the year 2', 1),
)


def noisy(stream: Iterator[tuple[int, bytes]], rng: Random) -> Iterator[tuple[int, bytes]]:
    """(instant of arrival, line) for (instant, line); instants never go back. What is still held at the end comes then, in order."""
    held: list[tuple[int, int, bytes]] = []
    number = 0
    at_ms = 0
    for at_ms, line in stream:
        while held and held[0][0] <= at_ms:
            arrives_ms, _, late = heappop(held)
            yield arrives_ms, late
        delay_ms = _delay_ms(rng)
        if delay_ms:
            heappush(held, (at_ms + delay_ms, number, line))
        else:
            yield at_ms, line
        number += 2
        if rng.random() < DUPLICATES:
            heappush(held, (at_ms + delay_ms + _wait_ms(rng), number - 1, line))
        if rng.random() < MALFORMED:
            yield at_ms, rng.choice(_SPOILED)(line)
    while held:
        yield at_ms, heappop(held)[2]


def _wait_ms(rng: Random) -> int:
    """Mostly seconds to minutes; now and then up to six hours."""
    return int(rng.random() * (6 * HOUR_MS if rng.random() < 0.05 else 3 * MINUTE_MS))


def _delay_ms(rng: Random) -> int:
    chance = rng.random()
    if chance >= LATE_BY_MINUTES + LATE_BY_HOURS + TOO_LATE:
        return 0
    if chance < TOO_LATE:
        return int((25 + 15 * rng.random()) * HOUR_MS)
    if chance < TOO_LATE + LATE_BY_HOURS:
        return int((0.2 + 13.5 * rng.random()) * HOUR_MS)
    return SECOND_MS + int(rng.expovariate(1 / 60_000))

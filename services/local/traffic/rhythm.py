"""When people write: the daily and weekly rhythm, and draws from the distributions that follow it.

Traffic is planned in slots of five minutes, each with a random generator of its own, so that a slot's traffic does not depend on what came before.
"""

from __future__ import annotations

from math import exp, sqrt
from random import Random
from typing import Final

from services.local.traffic.settings import DAY_MS, HOUR_MS, MINUTE_MS

SLOT_MS: Final = 5 * MINUTE_MS

_HOURS = (4, 3, 2, 2, 3, 5, 10, 22, 45, 68, 78, 74, 62, 66, 72, 70, 64, 56, 48, 44, 38, 26, 14, 8)
_WEEKDAYS = (1.15, 1.12, 1.08, 1.06, 1.10, 0.82, 0.67)  # Monday first; the mean is 1.
_HOUR_MEAN = sum(_HOURS) / len(_HOURS)
_FIRST_DAY_WEEKDAY = 3  # 1970-01-01 was a Thursday.
_EXACT_POISSON_MAX = 30.0  # Beyond it the normal approximation is close, and the exact draw takes as many steps as its mean.


def weekday(at_ms: int) -> int:
    """0 is Monday."""
    return (at_ms // DAY_MS + _FIRST_DAY_WEEKDAY) % 7


def load(at_ms: int, steady: bool) -> float:
    """How busy this instant is; 1 on average."""
    if steady:
        return 1.0
    return _HOURS[at_ms % DAY_MS // HOUR_MS] / _HOUR_MEAN * _WEEKDAYS[weekday(at_ms)]


def poisson(rng: Random, mean: float) -> int:
    """How many of many independent things happen."""
    if mean > _EXACT_POISSON_MAX:
        return max(0, round(rng.gauss(mean, sqrt(mean))))
    limit, product, count = exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def around(rng: Random, mean_ms: float, least_ms: int, most_ms: int) -> int:
    """A waiting time with this mean, within bounds."""
    return min(most_ms, least_ms + int(rng.expovariate(1.0 / mean_ms)))

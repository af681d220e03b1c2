"""The clocks, read in one place. No rule of billing reads the wall clock (SPEC T1): only ticks, log times of history, logs and the edges of commands do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple


class Clock(NamedTuple):
    """The clocks as an argument, for shells that are simulated too."""

    wall_ms: Callable[[], int]
    """Whole milliseconds since 1970 UTC; may be set back."""
    monotonic_s: Callable[[], float]
    """For pacing: never goes back, begins anywhere."""


def wall_ms() -> int:
    """Now, in whole milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


SYSTEM_CLOCK: Final = Clock(wall_ms, time.monotonic)

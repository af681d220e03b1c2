"""The wall clock, read in one place. No rule of billing reads it (SPEC T1): only ticks, log times of history, logs and the edges of commands do."""

from __future__ import annotations

import time


def wall_ms() -> int:
    """Now, in whole milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000

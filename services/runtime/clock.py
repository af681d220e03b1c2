"""The wall clock: the one place that reads it. Everything else is handed an instant, or a function that gives one (T1: no rule reads a clock)."""

from __future__ import annotations

import time


def now_ms() -> int:
    """UTC milliseconds since 1970."""
    return time.time_ns() // 1_000_000

"""The log time of records that are written from history (SPEC §3, schemas/README E7).

Rule: the greatest event time so far of records, refused ones too, not more than five minutes ahead of the clock; at least 1970; never ahead of the clock.
So one event from the year 9999 does not move the time of the others. The clock is handed in; nothing else is read.
"""

from __future__ import annotations

from collections.abc import Callable

from services.events.explain import AHEAD_MS_MAX


class LogTime:
    """A running maximum under a clock. One for one log: the order of calls is the order of its records."""

    __slots__ = ("_clock_ms", "_newest_ms", "_now_ms")

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._newest_ms = 0
        self._now_ms = 0
        """The clock when it was last read."""

    def of(self, event_time_ms: int | None) -> int:
        """The log time of the next record (UTC milliseconds); none: a record that tells no time."""
        # History is behind any clock that was read before, which need not be read again for it: reading it for each event would cost as much again.
        if self._newest_ms <= self._now_ms and (event_time_ms is None or event_time_ms <= self._now_ms):
            if event_time_ms is not None and event_time_ms > self._newest_ms:
                self._newest_ms = event_time_ms
            return self._newest_ms
        self._now_ms = self._clock_ms()
        if event_time_ms is not None and self._newest_ms < event_time_ms <= self._now_ms + AHEAD_MS_MAX:
            self._newest_ms = event_time_ms
        return min(self._newest_ms, self._now_ms)

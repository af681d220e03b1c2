"""P2: a conversation (a call) that slept for more than 49 hours is cut. Rule: neighbours in the list of UTC hours that hold an event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tests.reference.instants import HOUR_MS
from tests.reference.record import Record

HOURS_ASLEEP_MAX: Final = 49


def parts_awake(events: Iterable[Record]) -> list[list[Record]]:
    """The events by time, cut into conversations of their own."""
    parts: list[list[Record]] = []
    hour_before: int | None = None
    for event in sorted(events, key=lambda e: e.time_ms):
        hour = event.time_ms // HOUR_MS
        if hour_before is None or hour - hour_before > HOURS_ASLEEP_MAX:
            parts.append([])
        parts[-1].append(event)
        hour_before = hour
    return parts


def by_instant(events: Iterable[Record]) -> list[tuple[int, list[Record]]]:
    """The events grouped by their instant, in order of time."""
    groups: dict[int, list[Record]] = {}
    for event in events:
        groups.setdefault(event.time_ms, []).append(event)
    return sorted(groups.items())

"""Instants: RFC 3339 text to milliseconds since 1970 and back (E3). Limit: years 0001-9999 as written."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
QUARTER_MS: Final = 15 * MINUTE_MS
FOREVER: Final = 2**62
"""An instant that never comes; as a watermark: everything has been passed."""

PATTERN: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))")
DAY_OF_1970: Final = date(1970, 1, 1).toordinal()


def instant_ms(text: str) -> int | None:
    """E3: the instant, or None when the text is none. What lies finer than a millisecond is cut."""
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    offset_hour, offset_minute = int(match[9] or 0), int(match[10] or 0)
    if hour > 23 or minute > 59 or second > 59 or offset_hour > 23 or offset_minute > 59:
        return None
    try:
        day_number = date(year, month, day).toordinal() - DAY_OF_1970
    except ValueError:
        return None
    millisecond = int(((match[7] or "") + "000")[:3])
    local_ms = day_number * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + millisecond
    offset_ms = offset_hour * HOUR_MS + offset_minute * MINUTE_MS
    return local_ms + offset_ms if match[8] == "-" else local_ms - offset_ms


def instant_text(time_ms: int) -> str:
    """`2026-01-31T08:15:00.000Z`."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")

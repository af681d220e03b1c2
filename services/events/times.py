"""RFC 3339 texts to whole milliseconds since 1970 UTC, and back (schemas/README E3, F).

Both ways are on the hot path: an instant is split into hour, minutes and seconds, and the rest, and each part is one look into a table.
The parts with an unbounded number of values, the hour and the second, are kept in bounded caches. Results never depend on what the caches hold.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

_HOURS_MAX: Final = 8192
_SECONDS_MAX: Final = 65_536
_DAYS_BEFORE_1970: Final = date(1970, 1, 1).toordinal()
_FIRST_MS: Final = (1 - _DAYS_BEFORE_1970) * DAY_MS
_LAST_MS: Final = (date(9999, 12, 31).toordinal() - _DAYS_BEFORE_1970 + 1) * DAY_MS - 1

_HOUR = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([01][0-9]|2[0-3])")
_REST = re.compile(r"(?:\.([0-9]+))?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))")

_SECOND_TEXTS: Final = tuple(f":{second // 60:02}:{second % 60:02}" for second in range(3600))
_MILLI_TEXTS: Final = tuple(f".{milli:03}Z" for milli in range(1000))
_SECOND_MS: Final = {text: index * 1000 for index, text in enumerate(_SECOND_TEXTS)}
_REST_MS: Final = {text: index for index, text in enumerate(_MILLI_TEXTS)} | {"Z": 0}

_hour_ms: dict[str, int] = {}
_second_ms: dict[str, int] = {}
"""Of texts in UTC: neighbours in a log share their second more often than not."""
_hour_texts: dict[int, str] = {}


def parse_ms(text: str) -> int:
    """E3: milliseconds since 1970 UTC of an RFC 3339 text; digits beyond the millisecond are cut.

    The offset may carry the instant out of the years 0001-9999: it is a number all the same.
    Raises ValueError, with a sentence that does not repeat the text, for what is not such a text.
    """
    second_ms = _second_ms.get(text[:19])
    milli = _REST_MS.get(text[19:])
    if second_ms is not None and milli is not None:
        return second_ms + milli
    instant_ms = _parse_parts(text)
    if milli is not None:
        if len(_second_ms) >= _SECONDS_MAX:
            _second_ms.clear()
        _second_ms[text[:19]] = instant_ms - milli
    return instant_ms


def format_ms(instant_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds. Total: what lies outside the years 0001-9999 is written as their first or last millisecond."""
    hour, rest_ms = divmod(instant_ms, HOUR_MS)
    text = _hour_texts.get(hour)
    if text is None:
        if not _FIRST_MS <= instant_ms <= _LAST_MS:
            return format_ms(_FIRST_MS if instant_ms < _FIRST_MS else _LAST_MS)
        text = _format_hour(hour)
    return text + _SECOND_TEXTS[rest_ms // 1000] + _MILLI_TEXTS[rest_ms % 1000]


def _parse_parts(text: str) -> int:
    hour_ms = _parse_hour(text[:13])
    second_ms = _SECOND_MS.get(text[13:19])
    if second_ms is None:
        raise ValueError("minutes and seconds are not :00:00 to :59:59 (a leap second is not accepted)")
    rest = _REST.fullmatch(text, 19)
    if rest is None:
        raise ValueError("the time does not end in Z or an offset of at most 23:59, such as +02:00")
    fraction, sign, hours, minutes = rest.groups()
    milli = int(fraction[:3].ljust(3, "0")) if fraction else 0
    offset_ms = int(hours) * HOUR_MS + int(minutes) * MINUTE_MS if sign else 0
    return hour_ms + second_ms + milli + (offset_ms if sign == "-" else -offset_ms)


def _parse_hour(text: str) -> int:
    known = _hour_ms.get(text)
    if known is not None:
        return known
    match = _HOUR.fullmatch(text)
    if match is None:
        raise ValueError("not of the form YYYY-MM-DDThh:mm:ss[.f](Z|+hh:mm|-hh:mm)")
    year, month, day, hour = map(int, match.groups())
    try:
        days = date(year, month, day).toordinal() - _DAYS_BEFORE_1970
    except ValueError:
        raise ValueError("no such day in the years 0001-9999") from None
    if len(_hour_ms) >= _HOURS_MAX:
        _hour_ms.clear()
    _hour_ms[text] = days * DAY_MS + hour * HOUR_MS
    return _hour_ms[text]


def _format_hour(hour: int) -> str:
    days, hour_of_day = divmod(hour, 24)
    if len(_hour_texts) >= _HOURS_MAX:
        _hour_texts.clear()
    _hour_texts[hour] = f"{date.fromordinal(days + _DAYS_BEFORE_1970).isoformat()}T{hour_of_day:02}"
    return _hour_texts[hour]

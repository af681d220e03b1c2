"""Turn what a person asks for (`1w`, `from`/`to`, a zone, an interval) into instants (SPEC §1, T5). Pure: `now` is an argument.

Every edge is computed here, once, with zoneinfo; ClickHouse gets UTC milliseconds and never a zone to cut with. So a session can
not fall into one day by the filter and into another by the grouping. A period and its buckets are half open: [from, to).

What the ranges mean (the specification leaves it open):
- A range ends with the current period of the zone, which is still open, and counts it: `1w` (also `7d`), `2w`, `4w` are the last 7, 14, 28
  calendar days with today; `1m`, `2m`, `3m`, `6m` are the last calendar months with this one; `24h` is the last 24 hours up to the end of this hour.
- By default `24h` is counted per hour, days and weeks and a custom range per day, months per month. Any other interval may be asked for:
  the administrator's "3 months" per day is `range=3m&interval=day`.
- `from` and `to` are RFC 3339 instants, or dates, which mean their first instant in the zone. `to` is not included: January is
  `from=2026-01-01&to=2026-02-01`.
- The period before ends where the period begins. It has as many calendar months where both ends are firsts of months in the zone, as many calendar
  days where both are midnights, else it is as long in milliseconds.
- Buckets are the zone's own: a day runs from midnight to midnight (23, 24 or 25 hours), a week begins on Monday (ISO), an hour is one of the clock
  on the wall and the hour that comes twice is two buckets. `15m` are the quarters, UTC-aligned like everything that is metered. The first and the
  last bucket are cut where the range begins and ends. Where midnight does not exist, the day begins at the jump; where it comes twice, at the first; a day that
  a zone skipped has no bucket.

Limits: instants of the years 1980-2148 (every offset since is a multiple of 15 minutes; ClickHouse has days until 2149), ranges up to three years, at most
10,000 buckets.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from services.events.times import DAY_MS, HOUR_MS, MINUTE_MS, parse_ms

Interval = Literal["15m", "hour", "day", "week", "month"]
RangeName = Literal["24h", "7d", "1w", "2w", "4w", "1m", "2m", "3m", "6m"]

DEFAULT_RANGE: Final[RangeName] = "1w"
QUARTER_MS: Final = 15 * MINUTE_MS
RANGE_MS_MAX: Final = 1098 * DAY_MS
"""Three years, two of them leap years, and the hours of clock changes."""
BUCKETS_MAX: Final = 10_000
FIRST_MS: Final = parse_ms("1980-01-01T00:00:00Z")
LAST_MS: Final = parse_ms("2149-01-01T00:00:00Z")

_RANGE_DAYS: Final[dict[str, int]] = {"7d": 7, "1w": 7, "2w": 14, "4w": 28}
_RANGE_MONTHS: Final[dict[str, int]] = {"1m": 1, "2m": 2, "3m": 3, "6m": 6}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_PLUS_READ_AS_SPACE = re.compile(r" (?=\d\d:\d\d$)")
"""In a URL a bare `+` means a space: the offset of `...T00:00:00+05:30`, sent without escaping, arrives like this."""


class PeriodError(ValueError):
    """What was asked for is no usable period. `field` is the parameter to mend; `str()` says how."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Period:
    """A range in a zone: `edges_ms` has one more entry than there are buckets; bucket i is [edges_ms[i], edges_ms[i + 1])."""

    zone: ZoneInfo
    interval: Interval
    range_name: RangeName | None
    edges_ms: tuple[int, ...]

    @property
    def from_ms(self) -> int:
        return self.edges_ms[0]

    @property
    def to_ms(self) -> int:
        return self.edges_ms[-1]

    @property
    def starts_ms(self) -> tuple[int, ...]:
        return self.edges_ms[:-1]

    def local(self, instant_ms: int) -> str:
        return local_text(instant_ms, self.zone)

    def local_or_none(self, instant_ms: int | None) -> str | None:
        return None if instant_ms is None else self.local(instant_ms)

    def before(self) -> Period:
        """The period before, in the same interval. Raises PeriodError where it would begin before the year 1980."""
        from_ms = _shifted_back(self.from_ms, self.to_ms, self.zone)
        if from_ms < FIRST_MS:
            raise PeriodError("compare", "The period before would begin before the year 1980.")
        return replace(self, range_name=None, edges_ms=cut(from_ms, self.from_ms, self.interval, self.zone))


def read_period(
    now_ms: int,
    *,
    timezone: str = "UTC",
    range_name: RangeName | None = None,
    from_text: str | None = None,
    to_text: str | None = None,
    interval: Interval | None = None,
    buckets_max: int = BUCKETS_MAX,
) -> Period:
    """The period that was asked for; without `range_name`, `from_text` and `to_text` it is the default range. Raises PeriodError."""
    zone = read_zone(timezone)
    if range_name is not None and (from_text is not None or to_text is not None):
        raise PeriodError("range", "Give either range, or from and to.")
    if from_text is None and to_text is None:
        range_name = range_name or DEFAULT_RANGE
        from_ms, to_ms = _named(range_name, now_ms, zone)
    else:
        from_ms, to_ms = _custom(from_text, to_text, zone)
    chosen = interval or _default_interval(range_name)
    return Period(zone, chosen, range_name, cut(from_ms, to_ms, chosen, zone, buckets_max))


def check_request(asked: Mapping[str, str]) -> None:
    """Whether these parameters (`timezone`, `range`, `from`, `to`) can be a period, at any instant. Raises PeriodError."""
    names = get_args(RangeName)
    name = asked.get("range")
    if name is not None and name not in names:
        raise PeriodError("range", f"None of {', '.join(names)}.")
    range_name: RangeName | None = next((each for each in names if each == name), None)
    read_period(FIRST_MS + RANGE_MS_MAX, timezone=asked["timezone"], range_name=range_name, from_text=asked.get("from"), to_text=asked.get("to"))


def read_instant(field: str, text: str) -> int:
    """An RFC 3339 instant within the limits of the head. Raises PeriodError."""
    try:
        instant_ms = parse_ms(_PLUS_READ_AS_SPACE.sub("+", text))
    except ValueError as error:
        raise PeriodError(field, f"Not an RFC 3339 instant with an offset (2026-01-31T08:00:00+05:30): {error}.") from None
    if not FIRST_MS <= instant_ms <= LAST_MS:
        raise PeriodError(field, "Outside the years 1980 to 2148.")
    return instant_ms


def read_zone(name: str) -> ZoneInfo:
    """Raises PeriodError for what is not a zone of the IANA database."""
    if name not in _zone_names():
        raise PeriodError("timezone", "Not a time zone of the IANA database; examples: UTC, Asia/Kolkata, America/New_York.")
    return ZoneInfo(name)


def check_span(from_ms: int, to_ms: int) -> None:
    """The limits of the head. Raises PeriodError."""
    if not FIRST_MS <= from_ms <= LAST_MS:
        raise PeriodError("from", "Outside the years 1980 to 2148.")
    if not FIRST_MS <= to_ms <= LAST_MS:
        raise PeriodError("to", "Outside the years 1980 to 2148.")
    if from_ms >= to_ms:
        raise PeriodError("to", "Must be later than from (to is not included).")
    if to_ms - from_ms > RANGE_MS_MAX:
        raise PeriodError("from", "The range is longer than three years; ask for it in pieces.")


def cut(from_ms: int, to_ms: int, interval: Interval, zone: ZoneInfo, buckets_max: int = BUCKETS_MAX) -> tuple[int, ...]:
    """The edges of [from_ms, to_ms) in buckets of the zone, rising, both ends included. Raises PeriodError when they are too many."""
    check_span(from_ms, to_ms)
    edges_ms = [from_ms]
    for edge_ms in _EDGES[interval](from_ms, zone):
        if edge_ms >= to_ms:
            break
        if edge_ms > edges_ms[-1]:
            edges_ms.append(edge_ms)
        if len(edges_ms) > buckets_max:
            raise PeriodError("interval", f"The range has more than {buckets_max} buckets; choose a longer interval or a shorter range.")
    return (*edges_ms, to_ms)


def bucket_of(instant_ms: int, period: Period) -> int | None:
    """T5: the index of the bucket that holds the instant; None outside the period."""
    if not period.from_ms <= instant_ms < period.to_ms:
        return None
    return bisect_right(period.edges_ms, instant_ms) - 1


def local_text(instant_ms: int, zone: ZoneInfo) -> str:
    """ISO 8601 in the zone, with milliseconds and offset: `2026-01-31T13:45:00.000+05:30`."""
    return _local(instant_ms, zone).isoformat(timespec="milliseconds")


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """The first instant of a calendar day in the zone."""
    naive = datetime.combine(day, time())
    first_ms = _ms(naive.replace(tzinfo=zone))
    if _local(first_ms, zone).replace(tzinfo=None) == naive:
        return first_ms
    return _jump_ms(_ms(naive.replace(tzinfo=zone, fold=1)) - 1, first_ms, zone)


def _shifted_back(from_ms: int, to_ms: int, zone: ZoneInfo) -> int:
    first, end = (_local(instant_ms, zone).date() for instant_ms in (from_ms, to_ms))
    if midnight_ms(first, zone) != from_ms or midnight_ms(end, zone) != to_ms:
        return from_ms - (to_ms - from_ms)
    if first.day == end.day == 1:
        return midnight_ms(_month(first, -((end.year - first.year) * 12 + end.month - first.month)), zone)
    return midnight_ms(first - (end - first), zone)


def _named(name: RangeName, now_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    today = _local(now_ms, zone).date()
    if days := _RANGE_DAYS.get(name):
        return midnight_ms(today - timedelta(days=days - 1), zone), midnight_ms(today + timedelta(days=1), zone)
    if months := _RANGE_MONTHS.get(name):
        return midnight_ms(_month(today, 1 - months), zone), midnight_ms(_month(today, 1), zone)
    to_ms = next(_hour_edges(now_ms, zone))
    return to_ms - DAY_MS, to_ms


def _custom(from_text: str | None, to_text: str | None, zone: ZoneInfo) -> tuple[int, int]:
    if from_text is None:
        raise PeriodError("from", "Missing: to was given without from.")
    if to_text is None:
        raise PeriodError("to", "Missing: from was given without to.")
    return _read_instant("from", from_text, zone), _read_instant("to", to_text, zone)


def _read_instant(field: str, text: str, zone: ZoneInfo) -> int:
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            if not 1980 <= day.year <= 2149:
                raise PeriodError(field, "Outside the years 1980 to 2148.")
            return midnight_ms(day, zone)
        return parse_ms(_PLUS_READ_AS_SPACE.sub("+", text))
    except PeriodError:
        raise
    except ValueError as error:
        raise PeriodError(field, f"Neither a date (2026-01-31) nor an RFC 3339 instant with an offset (2026-01-31T08:00:00+05:30): {error}.") from None


def _default_interval(name: RangeName | None) -> Interval:
    if name == "24h":
        return "hour"
    return "month" if name in _RANGE_MONTHS else "day"


def _quarter_edges(from_ms: int, _zone: ZoneInfo) -> Iterator[int]:
    edge_ms = from_ms - from_ms % QUARTER_MS
    while True:
        edge_ms += QUARTER_MS
        yield edge_ms


def _hour_edges(from_ms: int, zone: ZoneInfo) -> Iterator[int]:
    """The instants after `from_ms` at which the hour of the wall, or the offset, changes."""
    edge_ms = from_ms
    while True:
        here = _local(edge_ms, zone)
        next_ms = edge_ms + HOUR_MS - (here.minute * MINUTE_MS + here.second * 1000 + edge_ms % 1000)
        if _local(next_ms, zone).utcoffset() != here.utcoffset():
            next_ms = _jump_ms(edge_ms, next_ms, zone)
        edge_ms = next_ms
        yield edge_ms


def _calendar_edges(first: Callable[[date], date], following: Callable[[date], date]) -> Callable[[int, ZoneInfo], Iterator[int]]:
    def edges(from_ms: int, zone: ZoneInfo) -> Iterator[int]:
        day = first(_local(from_ms, zone).date())
        while True:
            yield midnight_ms(day, zone)
            day = following(day)

    return edges


def _month(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)


_EDGES: Final[dict[str, Callable[[int, ZoneInfo], Iterator[int]]]] = {
    "15m": _quarter_edges,
    "hour": _hour_edges,
    "day": _calendar_edges(lambda day: day, lambda day: day + timedelta(days=1)),
    "week": _calendar_edges(lambda day: day - timedelta(days=day.weekday()), lambda day: day + timedelta(days=7)),
    "month": _calendar_edges(lambda day: day.replace(day=1), lambda day: _month(day, 1)),
}
assert set(_EDGES) == set(get_args(Interval))


def _jump_ms(before_ms: int, after_ms: int, zone: ZoneInfo) -> int:
    """The first instant of the new offset, in (before_ms, after_ms]: by halving, for zoneinfo does not tell its transitions."""
    offset = _local(before_ms, zone).utcoffset()
    while after_ms - before_ms > 1:
        middle_ms = (before_ms + after_ms) // 2
        if _local(middle_ms, zone).utcoffset() == offset:
            before_ms = middle_ms
        else:
            after_ms = middle_ms
    return after_ms


def _local(instant_ms: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone)


def _ms(instant: datetime) -> int:
    return (instant.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def _zone_names() -> frozenset[str]:
    """Without the two names that stand for no place, which ClickHouse does not know."""
    return frozenset(available_timezones()) - {"localtime", "Factory"}

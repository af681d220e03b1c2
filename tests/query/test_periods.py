"""Periods: what a range means in a zone, and where its buckets are cut."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.times import format_ms
from services.query.periods import QUARTER_MS, Interval, Period, PeriodError, RangeName, bucket_of, cut, midnight_ms, read_period
from tests.parts.examples import examples
from tests.query.stage import ms

DAY_MS = 86_400_000
NOW = ms("2026-03-15T12:34:56.789")
ZONES = [
    "UTC", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe", "America/St_Johns", "America/New_York", "Africa/Cairo",
    "America/Santiago", "America/Havana", "Asia/Beirut", "Europe/London", "Pacific/Apia", "Antarctica/Troll", "Africa/Casablanca", "Asia/Tehran",
]  # fmt: skip


def asked(**parameters: str) -> Period:
    names = {"from_": "from_text", "to": "to_text", "range": "range_name"}
    return read_period(NOW, **{names.get(name, name): value for name, value in parameters.items()})  # type: ignore[arg-type]


def ends(period: Period) -> tuple[str, str]:
    return period.local(period.from_ms), period.local(period.to_ms)


@pytest.mark.parametrize(
    "row",
    [
        ("24h", "UTC", "2026-03-14T13:00:00.000+00:00", "2026-03-15T13:00:00.000+00:00", "hour", 24),
        ("24h", "Asia/Kolkata", "2026-03-14T19:00:00.000+05:30", "2026-03-15T19:00:00.000+05:30", "hour", 24),
        ("7d", "UTC", "2026-03-09T00:00:00.000+00:00", "2026-03-16T00:00:00.000+00:00", "day", 7),
        ("1w", "Asia/Kathmandu", "2026-03-09T00:00:00.000+05:45", "2026-03-16T00:00:00.000+05:45", "day", 7),
        ("2w", "America/New_York", "2026-03-02T00:00:00.000-05:00", "2026-03-16T00:00:00.000-04:00", "day", 14),
        ("4w", "UTC", "2026-02-16T00:00:00.000+00:00", "2026-03-16T00:00:00.000+00:00", "day", 28),
        ("1m", "UTC", "2026-03-01T00:00:00.000+00:00", "2026-04-01T00:00:00.000+00:00", "month", 1),
        ("2m", "Pacific/Kiritimati", "2026-02-01T00:00:00.000+14:00", "2026-04-01T00:00:00.000+14:00", "month", 2),
        ("3m", "America/New_York", "2026-01-01T00:00:00.000-05:00", "2026-04-01T00:00:00.000-04:00", "month", 3),
        ("6m", "UTC", "2025-10-01T00:00:00.000+00:00", "2026-04-01T00:00:00.000+00:00", "month", 6),
    ],
)
def test_a_range_ends_with_the_current_period_of_the_zone(row: tuple[str, str, str, str, str, int]) -> None:
    name, zone, *expected = row
    period = asked(range=name, timezone=zone)
    assert [*ends(period), period.interval, len(period.starts_ms)] == expected


def test_nothing_asked_is_the_last_seven_days() -> None:
    assert asked() == asked(range="1w")


def test_three_months_can_be_asked_by_day() -> None:
    assert len(asked(range="3m", interval="day").starts_ms) == 31 + 28 + 31


def test_dates_mean_their_first_instant_in_the_zone_and_to_is_not_included() -> None:
    period = asked(from_="2026-01-01", to="2026-02-01", timezone="Asia/Kolkata")
    assert ends(period) == ("2026-01-01T00:00:00.000+05:30", "2026-02-01T00:00:00.000+05:30")
    assert (period.interval, len(period.starts_ms)) == ("day", 31)


@pytest.mark.parametrize("text", ["2026-01-01T05:30:00+05:30", "2026-01-01T05:30:00 05:30", "2026-01-01t00:00:00z", "2025-12-31T19:00:00.0009-05:00"])
def test_an_instant_is_read_with_its_own_offset_whatever_the_zone(text: str) -> None:
    assert asked(from_=text, to="2026-01-02", timezone="Asia/Tokyo").from_ms == ms("2026-01-01")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": "+05:30"}, "timezone"),
        ({"range": "1w", "from_": "2026-01-01"}, "range"),
        ({"from_": "2026-01-01"}, "to"),
        ({"to": "2026-01-01"}, "from"),
        ({"from_": "yesterday", "to": "2026-01-01"}, "from"),
        ({"from_": "2026-01-01T00:00:00", "to": "2026-01-02"}, "from"),
        ({"from_": "2026-02-30", "to": "2026-03-02"}, "from"),
        ({"from_": "2026-01-02", "to": "2026-01-02"}, "to"),
        ({"from_": "2026-01-02", "to": "2026-01-01"}, "to"),
        ({"from_": "1979-12-31", "to": "1980-01-02"}, "from"),
        ({"from_": "0001-01-01", "to": "0001-01-02"}, "from"),
        ({"from_": "2148-12-31", "to": "2149-01-02"}, "to"),
        ({"from_": "9999-12-31", "to": "9999-12-31"}, "from"),
        ({"from_": "2023-01-01", "to": "2026-01-10"}, "from"),
        ({"from_": "2026-01-01", "to": "2026-04-20", "interval": "15m"}, "interval"),
    ],
)
def test_what_is_no_period_names_the_parameter(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(PeriodError) as refused:
        asked(**parameters)
    assert refused.value.field == field


def test_ten_thousand_buckets_are_allowed_and_one_more_is_not() -> None:
    first = ms("2026-01-01")
    assert len(cut(first, first + 10_000 * QUARTER_MS, "15m", ZoneInfo("UTC"))) == 10_001
    with pytest.raises(PeriodError):
        cut(first, first + 10_000 * QUARTER_MS + 1, "15m", ZoneInfo("UTC"))


def test_the_hour_that_comes_twice_is_two_buckets() -> None:
    period = asked(from_="2026-11-01", to="2026-11-02", timezone="America/New_York", interval="hour")
    starts = [period.local(edge) for edge in period.starts_ms[:4]]
    assert [start[11:16] + start[-6:] for start in starts] == ["00:00-04:00", "01:00-04:00", "01:00-05:00", "02:00-05:00"]


def test_a_change_of_half_an_hour_makes_a_bucket_of_half_an_hour() -> None:
    """At 02:00 of +11:00 it is 01:30 of +10:30 again."""
    period = asked(from_="2026-04-05", to="2026-04-06", timezone="Australia/Lord_Howe", interval="hour")
    assert [after - before for before, after in pairwise(period.edges_ms)][:3] == [3_600_000, 3_600_000, 1_800_000]


def test_where_midnight_does_not_exist_the_day_begins_at_the_jump() -> None:
    assert format_ms(midnight_ms(date(2026, 4, 24), ZoneInfo("Africa/Cairo"))) == "2026-04-23T22:00:00.000Z"
    assert asked(from_="2026-04-24", to="2026-04-25", timezone="Africa/Cairo").local(ms("2026-04-23T22:00")) == "2026-04-24T01:00:00.000+03:00"


def test_where_midnight_comes_twice_the_day_begins_at_the_first() -> None:
    assert format_ms(midnight_ms(date(2025, 11, 2), ZoneInfo("America/Havana"))) == "2025-11-02T04:00:00.000Z"


def test_a_day_that_a_zone_skipped_has_no_bucket() -> None:
    period = asked(from_="2011-12-29", to="2012-01-01", timezone="Pacific/Apia")
    assert [period.local(start)[:10] for start in period.starts_ms] == ["2011-12-29", "2011-12-31"]


def test_a_bucket_holds_its_first_instant_and_not_its_end() -> None:
    period = asked(from_="2026-01-01", to="2026-01-03")
    assert [bucket_of(ms("2026-01-01") + offset, period) for offset in (-1, 0, DAY_MS - 1, DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS)] == [None, 0, 0, 1, 1, None]


@given(
    zone=st.sampled_from(ZONES),
    first=st.integers(ms("2015-01-01"), ms("2035-01-01")),
    length=st.integers(1, 60 * DAY_MS),
    interval=st.sampled_from(["hour", "day", "week", "month"]),
)
@settings(max_examples=examples(200), deadline=None)
def test_buckets_are_the_local_periods_of_every_instant_in_them(zone: str, first: int, length: int, interval: Interval) -> None:
    """Judged without the code: two neighbouring quarters share a bucket exactly when their local labels are equal."""
    place = ZoneInfo(zone)
    edges = cut(first, first + length, interval, place)
    assert (edges[0], edges[-1]) == (first, first + length)
    assert all(before < after for before, after in pairwise(edges))
    instants = [*range(first, first + length, QUARTER_MS * 3), *(edge + shift for edge in edges[1:-1] for shift in (-1, 0))]
    labels = {(bisect_right(edges, instant), _label(instant, place, interval)) for instant in instants if first <= instant < first + length}
    assert len({bucket for bucket, _ in labels}) == len(labels), "a bucket holds one label"
    assert len({label for _, label in labels}) == len(labels), "a label lies in one bucket"


@pytest.mark.parametrize("name", ["24h", "1w", "4w", "1m", "6m"])
def test_a_range_holds_now_in_its_last_bucket_in_every_zone(name: RangeName) -> None:
    for zone in sorted(available_timezones() - {"localtime", "Factory"}):
        for now in (NOW, ms("2026-03-29T00:30"), ms("2026-10-25T01:00"), ms("2026-12-31T23:59:59.999")):
            period = read_period(now, timezone=zone, range_name=name)
            assert bucket_of(now, period) == len(period.starts_ms) - 1


def _label(instant_ms: int, zone: ZoneInfo, interval: Interval) -> object:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant_ms)).astimezone(zone)
    match interval:
        case "hour":
            return local.date(), local.hour, local.utcoffset()
        case "day":
            return local.date()
        case "week":
            return local.isocalendar()[:2]
        case _:
            return local.year, local.month

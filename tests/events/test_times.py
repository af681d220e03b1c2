"""E3: texts to milliseconds and back, at the edges of every part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.events import times
from services.events.times import DAY_MS, format_ms, parse_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SOME_DAY_MS = parse_ms("2026-01-31T08:15:00Z")


@pytest.mark.parametrize(
    ("text", "instant_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T23:59:00+23:59", 0),
        ("1969-12-31T00:01:00-23:59", 0),
        ("1970-01-01T00:00:00.1Z", 100),
        ("1970-01-01T00:00:00.12+00:00", 120),
        ("1970-01-01T00:00:00.001999999999Z", 1),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("2024-02-29T00:00:00Z", 19_782 * DAY_MS),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_a_text_is_its_instant(text: str, instant_ms: int) -> None:
    assert parse_ms(text) == instant_ms


def test_an_offset_may_carry_the_instant_out_of_the_years() -> None:
    assert parse_ms("0001-01-01T00:00:00+23:59") == parse_ms("0001-01-01T00:00:00Z") - DAY_MS + 60_000
    assert parse_ms("9999-12-31T23:59:59.999-23:59") == parse_ms("9999-12-31T23:59:59.999Z") + DAY_MS - 60_000


@pytest.mark.parametrize(
    "text",
    [
        "", "2026", "2026-01-31", "2026-01-31T08:15", "2026-01-31T08:15Z", "2026-01-31T08:15:00", "2026-01-31 08:15:00Z", "2026-01-31T08:15:00ZZ",
        "2026-01-31T08:15:00.Z", "2026-01-31T08:15:00,5Z", "2026-01-31T08:15:60Z", "2026-01-31T08:60:00Z", "2026-01-31T24:00:00Z", "2026-1-31T08:15:00Z",
        "2026-00-01T08:15:00Z", "2026-13-01T08:15:00Z", "2026-02-29T08:15:00Z", "2026-04-31T08:15:00Z", "1900-02-29T00:00:00Z", "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z", "-026-01-01T00:00:00Z", "+026-01-01T00:00:00Z", "2026-01-31T08:15:00+24:00", "2026-01-31T08:15:00+01:60",
        "2026-01-31T08:15:00+0100", "2026-01-31T08:15:00+1:00", "2026-01-31T08:15:00Z\n", " 2026-01-31T08:15:00Z", "2026-01-31T08:15:00Z ",
        "2026-01-31T0_:15:00Z", "2026-01-31T08:1 :00Z", "٢٠٢٦-01-31T08:15:00Z", "2026-01-31T08:15:00.\u0661Z", "2026-01-31T08:15:0\u0660Z",
        "2026-01-31T08:15:00.1e2Z",
    ],
)  # fmt: skip
def test_what_is_no_rfc_3339_time_is_refused_cold_and_warm(text: str) -> None:
    parse_ms("2026-01-31T08:15:00Z")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^[^\n]{10,100}$"):
            parse_ms(text)


@given(st.datetimes(), st.integers(-1439, 1439))
def test_parsing_agrees_with_the_calendar_of_python(naive: datetime, offset_minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    # Python's own text of a zero offset, and of microseconds, is RFC 3339 as well; floor division cuts as E3 does.
    assert parse_ms(moment.isoformat()) == (moment - EPOCH) // timedelta(milliseconds=1)


@given(st.integers(parse_ms("0001-01-01T00:00:00Z"), parse_ms("9999-12-31T23:59:59.999Z")))
def test_a_formatted_instant_parses_to_itself_and_reads_as_python_writes_it(instant_ms: int) -> None:
    text = format_ms(instant_ms)
    assert parse_ms(text) == instant_ms
    assert text == (EPOCH + timedelta(milliseconds=instant_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("instant_ms", "text"),
    [
        (-1, "1969-12-31T23:59:59.999Z"),
        (-(2**63), "0001-01-01T00:00:00.000Z"),
        (-62_135_596_800_001, "0001-01-01T00:00:00.000Z"),
        (253_402_300_800_000, "9999-12-31T23:59:59.999Z"),
        (2**63, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_every_number_has_a_text_of_four_digit_years(instant_ms: int, text: str) -> None:
    assert format_ms(instant_ms) == text


def test_the_caches_stay_bounded_and_change_nothing() -> None:
    hours = range(SOME_DAY_MS, SOME_DAY_MS + 20_000 * times.HOUR_MS, times.HOUR_MS)
    assert [parse_ms(format_ms(hour)) for hour in hours] == list(hours)
    assert len(times._hour_ms) <= times._HOURS_MAX
    assert len(times._hour_texts) <= times._HOURS_MAX

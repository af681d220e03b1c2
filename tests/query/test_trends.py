"""Trends: what falls into which bucket, by which rule."""

from __future__ import annotations

import pytest

from services.events.times import format_ms
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, assignment, conversation, login, ms, peak, session

TRENDS = "/v1/usage/trends"
DAYS = {"from_": "2026-03-01", "to": "2026-03-04", "interval": "day"}


def test_every_bucket_is_there_with_zeros_where_nothing_was(api: Api) -> None:
    zeros: dict[str, object] = {"billing_sessions": 0, "voice_sessions": 0, "alert_sessions": 0, "conversations": 0}
    zeros |= {"concurrent_seats": 0, "peak_at": None, "named_seats": 0, "agent_count": 0}
    days = api.trends(**DAYS)
    assert [day["start"] for day in days] == ["2026-03-01T00:00:00.000+00:00", "2026-03-02T00:00:00.000+00:00", "2026-03-03T00:00:00.000+00:00"]
    assert all(day.items() >= zeros.items() for day in days)


@pytest.mark.parametrize(
    ("start", "counts"),
    [
        ("2026-02-28T23:59:59.999", [0, 0, 0]),
        ("2026-03-01T00:00:00.000", [1, 0, 0]),
        ("2026-03-01T23:59:59.999", [1, 0, 0]),
        ("2026-03-02T00:00:00.000", [0, 1, 0]),
        ("2026-03-03T23:59:59.999", [0, 0, 1]),
        ("2026-03-04T00:00:00.000", [0, 0, 0]),
    ],
)
def test_a_session_counts_in_the_bucket_that_holds_its_first_millisecond(api: Api, clickhouse: ClickHouse, start: str, counts: list[int]) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, start))
    clickhouse.put("conversations", conversation(api.workspace, start))
    days = api.trends(**DAYS)
    assert [day["billing_sessions"] for day in days] == counts
    assert [day["conversations"] for day in days] == counts


def test_each_type_of_session_has_its_own_count(api: Api, clickhouse: ClickHouse) -> None:
    kinds = [("usage", 3), ("voice", 2), ("alert", 1)]
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-02T10:{minute:02}", type=kind) for kind, count in kinds for minute in range(count)))
    day = api.trends(**DAYS)[1]
    assert (day["billing_sessions"], day["voice_sessions"], day["alert_sessions"]) == (3, 2, 1)


def test_the_newest_revision_counts_wherever_the_older_ones_were(api: Api, clickhouse: ClickHouse) -> None:
    moved = session(api.workspace, "2026-03-01T23:50", t0="2026-03-01T23:30")
    clickhouse.put("billing_sessions", moved)
    assert [day["billing_sessions"] for day in api.trends(**DAYS)] == [1, 0, 0]
    clickhouse.put("billing_sessions", moved | {"revision": 2, "start": "2026-03-02T00:20:00.000Z"})
    assert [day["billing_sessions"] for day in api.trends(**DAYS)] == [0, 1, 0]
    assert [day["billing_sessions"] for day in api.trends(from_="2026-03-01", to="2026-03-02")] == [0]
    clickhouse.put("billing_sessions", moved | {"revision": 3, "start": "2026-03-05T00:00:00.000Z"})
    assert [day["billing_sessions"] for day in api.trends(**DAYS)] == [0, 0, 0]


def test_a_session_that_was_taken_back_does_not_count_and_one_that_came_again_does(api: Api, clickhouse: ClickHouse) -> None:
    fact = session(api.workspace, "2026-03-02T10:00")
    clickhouse.put("billing_sessions", fact)
    clickhouse.put("billing_sessions", fact | {"revision": 2, "status": "void"})
    assert [day["billing_sessions"] for day in api.trends(**DAYS)] == [0, 0, 0]
    clickhouse.put("billing_sessions", fact | {"revision": 3})
    assert [day["billing_sessions"] for day in api.trends(**DAYS)] == [0, 1, 0]


def test_revisions_in_any_order_of_arrival_count_once(api: Api, clickhouse: ClickHouse) -> None:
    fact = session(api.workspace, "2026-03-02T10:00")
    for revision in (3, 1, 2, 3):
        clickhouse.put("billing_sessions", fact | {"revision": revision})
    assert [day["billing_sessions"] for day in api.trends(**DAYS)] == [0, 1, 0]


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("Asia/Kolkata", "2026-03-01T18:30"),
        ("Asia/Kathmandu", "2026-03-01T18:15"),
        ("Pacific/Chatham", "2026-03-01T10:15"),
        ("America/St_Johns", "2026-03-02T03:30"),
    ],
)
def test_a_day_is_the_day_of_the_zone(api: Api, clickhouse: ClickHouse, zone: str, midnight: str) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, midnight), session(api.workspace, format_ms(ms(midnight) - 1)))
    assert [day["billing_sessions"] for day in api.trends(**DAYS, timezone=zone)] == [1, 1, 0]


@pytest.mark.parametrize(
    ("zone", "days", "buckets"),
    [
        ("America/New_York", ("2026-03-08", "2026-03-09"), (23, 92)),
        ("America/New_York", ("2026-11-01", "2026-11-02"), (25, 100)),
        ("Australia/Lord_Howe", ("2026-04-05", "2026-04-06"), (25, 98)),
        ("Africa/Cairo", ("2026-04-24", "2026-04-25"), (23, 92)),
        ("Asia/Kathmandu", ("2026-03-08", "2026-03-09"), (24, 96)),
    ],
)
def test_the_buckets_of_a_day_with_a_clock_change_add_up_to_the_day(
    api: Api, clickhouse: ClickHouse, zone: str, days: tuple[str, str], buckets: tuple[int, int]
) -> None:
    whole, (hours, quarters) = {"from_": days[0], "to": days[1], "timezone": zone}, buckets
    [bucket] = api.trends(**whole)
    first, end = ms(bucket["start"]), ms(bucket["end"])
    starts = range(first - 900_000, end + 900_000, 900_000)
    clickhouse.put("billing_sessions", *(session(api.workspace, format_ms(start)) for start in starts))
    by = {interval: [each["billing_sessions"] for each in api.trends(**whole, interval=interval)] for interval in ("15m", "hour", "day")}
    assert len(by["hour"]) == hours
    assert by["15m"] == [1] * quarters
    assert sum(by["hour"]) == sum(by["15m"]) == sum(by["day"]) == quarters


def test_weeks_begin_on_monday_and_the_ends_are_cut(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-{day:02}") for day in range(1, 16)))
    weeks = api.trends(from_="2026-03-01", to="2026-03-11", interval="week")
    assert [(week["start"][:10], week["billing_sessions"]) for week in weeks] == [("2026-03-01", 1), ("2026-03-02", 7), ("2026-03-09", 2)]


def test_months_are_calendar_months_of_the_zone_with_the_current_one(api: Api, clickhouse: ClickHouse) -> None:
    starts = ("2026-01-31T18:30", "2026-01-31T18:29:59.999", "2026-03-31T18:30")
    clickhouse.put("billing_sessions", *(session(api.workspace, start) for start in starts))
    months = [(month["start"][:7], month["billing_sessions"], month["state"]) for month in api.trends(range="3m", timezone="Asia/Kolkata")]
    assert months == [("2026-01", 1, "closed"), ("2026-02", 1, "closed"), ("2026-03", 0, "open")]


def test_one_app_and_all_apps_together(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-02T10:{minute:02}", app_id=app) for minute, app in enumerate("aabccc")))
    assert api.trends(**DAYS, app_id="a")[1]["billing_sessions"] == 2
    assert api.trends(**DAYS, app_id=["a", "c", "a"])[1]["billing_sessions"] == 5
    assert api.trends(**DAYS)[1]["billing_sessions"] == 6
    assert api.trends(**DAYS, app_id="nobody's")[1]["billing_sessions"] == 0


def test_the_peak_of_a_workspace_is_its_own_and_not_that_of_its_apps(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:00", 3, "2026-03-02T10:07"), peak(w, "2026-03-02T11:00", 3), peak(w, "2026-03-02T10:00", 2, app_id="a"))
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:15", 9, status="void"))
    day = api.trends(**DAYS)[1]
    assert (day["concurrent_seats"], day["peak_at"]) == (3, "2026-03-02T10:07:00.000+00:00")
    assert api.trends(**DAYS, app_id="a")[1]["concurrent_seats"] == 2


def test_the_peak_of_two_apps_counts_an_agent_of_both_once(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-02T10:00", "2026-03-02T11:00", ("a", "b")))
    clickhouse.put("agent_logins", *(login(w, agent, "2026-03-02T10:30", "2026-03-02T10:31", (app,)) for agent, app in (("bob", "b"), ("eve", "c"))))
    day = api.trends(**DAYS, app_id=["a", "b"])[1]
    assert (day["concurrent_seats"], day["peak_at"]) == (2, "2026-03-02T10:30:00.000+00:00")


def test_a_login_that_ends_when_another_begins_is_gone_first(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-02T10:00", "2026-03-02T11:00"), login(w, "bob", "2026-03-02T11:00", "2026-03-02T12:00"))
    assert api.trends(**DAYS, app_id=["app", "b"])[1]["concurrent_seats"] == 1


def test_a_range_that_cuts_a_quarter_takes_its_peak_from_the_logins(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:00", 2, "2026-03-02T10:00"))
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-02T10:00", "2026-03-02T10:20"), login(w, "bob", "2026-03-02T10:00", "2026-03-02T10:05"))
    [bucket] = api.trends(from_="2026-03-02T10:05:00Z", to="2026-03-02T10:20:00Z")
    assert (bucket["concurrent_seats"], bucket["peak_at"]) == (1, "2026-03-02T10:05:00.000+00:00")
    assert api.trends(from_="2026-03-02T10:04:59.999Z", to="2026-03-02T10:20:00Z")[0]["concurrent_seats"] == 2


def test_an_open_login_counts_up_to_the_watermark_and_for_a_day_at_most(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("agent_logins", login(api.workspace, "ann", "2026-03-14T06:00", None))
    api.now = "2026-03-14T20:05"
    api.metered_until("2026-03-14T20:00")
    assert [hour["named_seats"] for hour in api.trends(range="24h")] == [0] * 9 + [1] * 14 + [0]
    api.now = "2026-03-15T20:00"
    api.metered_until("2026-03-15T19:59")
    assert [day["named_seats"] for day in api.trends(from_="2026-03-14", to="2026-03-17")] == [1, 1, 0]
    assert api.trends(from_="2026-03-15T06:00:00Z", to="2026-03-16")[0]["named_seats"] == 0


def test_named_seats_are_agents_assigned_or_logged_in_each_once(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-01T10:00", "2026-03-01T11:00"), login(w, "ann", "2026-03-01T12:00", "2026-03-01T13:00"))
    clickhouse.put("agent_assignments", assignment(w, "ann", "2026-02-01", "2026-03-01T00:00"), assignment(w, "bob", "2026-02-01", "2026-03-01T00:00:00.001"))
    clickhouse.put("agent_assignments", assignment(w, "eve", "2026-03-03T23:59:59.999", None))
    days = api.trends(**DAYS)
    assert [day["named_seats"] for day in days] == [2, 0, 1]
    assert [day["agent_count"] for day in days] == [1, 0, 1]


def test_an_empty_presence_is_no_seat(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("agent_logins", login(api.workspace, "ann", "2026-03-02T10:00", "2026-03-02T10:00"))
    assert api.trends(**DAYS)[1]["named_seats"] == 0


def test_an_app_without_an_assignment_ever_has_its_named_seats_as_agent_count(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-02T10:00", "2026-03-02T11:00", ("a", "b")))
    clickhouse.put("agent_assignments", assignment(w, "bob", "2025-01-01", "2025-01-02", "a"))
    assert api.trends(**DAYS, app_id="b")[1]["agent_count"] == 1
    assert api.trends(**DAYS, app_id="a")[1]["agent_count"] == 0
    assert api.trends(**DAYS)[1]["agent_count"] == 0


@pytest.mark.parametrize(
    ("watermark", "states"),
    [
        ("2026-03-01T23:59:59.999", ["open", "ahead", "ahead"]),
        ("2026-03-02T00:00:00.000", ["open", "open", "ahead"]),
        ("2026-03-02T00:00:00.001", ["closed", "open", "ahead"]),
        ("2026-03-03T12:00", ["closed", "closed", "open"]),
        ("2026-03-04T00:00:00.001", ["closed", "closed", "closed"]),
    ],
)
def test_a_bucket_is_over_when_the_watermark_has_passed_its_end_whatever_the_clock(api: Api, clickhouse: ClickHouse, watermark: str, states: list[str]) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-01T00:00"))
    api.metered_until(watermark)
    assert [day["state"] for day in api.trends(**DAYS)] == states


def test_before_the_first_fact_there_is_no_data_and_not_zero(api: Api, clickhouse: ClickHouse) -> None:
    assert [day["state"] for day in api.trends(**DAYS)] == ["no_data"] * 3
    clickhouse.put("agent_logins", login(api.workspace, "ann", "2026-03-02T10:00", "2026-03-02T11:00"))
    assert [day["state"] for day in api.trends(**DAYS)] == ["no_data", "closed", "closed"]
    assert api.ok(TRENDS, **DAYS)["data_since"] == "2026-03-02T10:00:00.000+00:00"

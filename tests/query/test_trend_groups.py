"""Trends apart by app, channel and type, beside the period before, and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.query.conftest import Api
from tests.query.stage import ClickHouse, assignment, conversation, login, peak, session

TRENDS = "/v1/usage/trends"
DAYS: dict[str, Any] = {"from_": "2026-03-02", "to": "2026-03-04"}


def filled(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put(
        "billing_sessions",
        session(w, "2026-03-02T10:00", app_id="a", channel="web"),
        session(w, "2026-03-03T10:00", app_id="a", channel="sms"),
        session(w, "2026-03-03T11:00", app_id="b", channel="sms"),
        session(w, "2026-03-03T12:00", app_id="b", channel="ivr", type="voice"),
        session(w, "2026-03-03T13:00", app_id="c", channel="web", type="alert"),
    )
    clickhouse.put("conversations", conversation(w, "2026-03-02T10:00", app_id="a"), conversation(w, "2026-03-03T11:00", app_id="b", channel="sms"))
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:00", 3), peak(w, "2026-03-02T10:00", 2, app_id="a"), peak(w, "2026-03-02T11:00", 2, app_id="b"))
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-02T10:00", "2026-03-02T11:00", ("a", "b")))
    clickhouse.put("agent_assignments", assignment(w, "bob", "2026-03-01", None, "b"))


def series(answer: dict[str, Any], field: str) -> dict[str, list[Any]]:
    return {group["key"]: [bucket[field] for bucket in group["buckets"]] + [group["totals"][field]] for group in answer["groups"]}


def test_by_app_every_app_has_its_own_numbers_and_the_whole_is_not_their_sum(api: Api, clickhouse: ClickHouse) -> None:
    filled(api, clickhouse)
    answer = api.ok(TRENDS, **DAYS, group_by="app")
    assert series(answer, "billing_sessions") == {"a": [1, 1, 2], "b": [0, 1, 1], "c": [0, 0, 0]}
    assert series(answer, "sessions") == {"a": [1, 1, 2], "b": [0, 2, 2], "c": [0, 1, 1]}
    assert series(answer, "conversations") == {"a": [1, 0, 1], "b": [0, 1, 1], "c": [0, 0, 0]}
    assert series(answer, "concurrent_seats") == {"a": [2, 0, 2], "b": [2, 0, 2], "c": [0, 0, 0]}
    assert series(answer, "named_seats") == {"a": [1, 0, 1], "b": [2, 1, 2], "c": [0, 0, 0]}
    assert series(answer, "agent_count") == {"a": [1, 0, 1], "b": [1, 1, 1], "c": [0, 0, 0]}
    totals = answer["totals"]
    assert (totals["sessions"], totals["concurrent_seats"], totals["peak_at"][:16], totals["named_seats"]) == (5, 3, "2026-03-02T10:00", 2)


def test_by_channel_there_are_no_seats_but_the_whole_has_them(api: Api, clickhouse: ClickHouse) -> None:
    filled(api, clickhouse)
    answer = api.ok(TRENDS, **DAYS, group_by="channel")
    assert series(answer, "sessions") == {"ivr": [0, 1, 1], "sms": [0, 2, 2], "web": [1, 1, 2]}
    assert set(series(answer, "concurrent_seats")["web"]) == {None}
    assert answer["totals"]["concurrent_seats"] == 3


def test_by_type_conversations_belong_to_usage(api: Api, clickhouse: ClickHouse) -> None:
    filled(api, clickhouse)
    answer = api.ok(TRENDS, **DAYS, group_by="type")
    assert series(answer, "sessions") == {"usage": [1, 2, 3], "voice": [0, 1, 1], "alert": [0, 1, 1]}
    assert series(answer, "conversations") == {"usage": [1, 1, 2], "voice": [0, 0, 0], "alert": [0, 0, 0]}


@pytest.mark.parametrize(
    ("filters", "sessions", "conversations"),
    [({"channel": "web"}, 2, 1), ({"channel": ["sms", "ivr"]}, 3, 1), ({"type": "voice"}, 1, 0), ({"type": ["usage", "alert"], "channel": "web"}, 2, 1)],
)
def test_a_filter_by_channel_or_type_leaves_no_seats(api: Api, clickhouse: ClickHouse, filters: dict[str, Any], sessions: int, conversations: int) -> None:
    filled(api, clickhouse)
    answer = api.ok(TRENDS, **DAYS, **filters)
    totals = answer["totals"]
    assert (totals["sessions"], totals["conversations"], totals["concurrent_seats"], totals["agent_count"]) == (sessions, conversations, None, None)
    assert answer["agent_count_is"] is None


def test_an_app_that_was_asked_for_is_there_without_a_number(api: Api) -> None:
    assert [group["key"] for group in api.ok(TRENDS, **DAYS, group_by="app", app_id=["x", "y"])["groups"]] == ["x", "y"]


def test_an_agent_in_two_buckets_counts_once_in_the_total(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", *(login(w, "ann", f"2026-03-0{day}T10:00", f"2026-03-0{day}T11:00") for day in (2, 3)))
    assert api.ok(TRENDS, **DAYS)["totals"]["named_seats"] == 1


def test_the_period_before_ends_where_this_one_begins(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("billing_sessions", *(session(w, f"2026-{day}T00:00") for day in ("02-27", "02-28", "03-01", "03-02")))
    clickhouse.put("agent_logins", login(w, "ann", "2026-02-28T10:00", "2026-02-28T11:00"))
    clickhouse.put("seat_peaks", peak(w, "2026-03-01T10:00", 4))
    answer = api.ok(TRENDS, **DAYS, compare="previous")
    before = answer["previous"]
    assert [(bucket["start"][:10], bucket["billing_sessions"]) for bucket in before["buckets"]] == [("2026-02-28", 1), ("2026-03-01", 1)]
    assert before["range"]["to"] == answer["range"]["from"]
    assert (before["totals"]["named_seats"], before["totals"]["concurrent_seats"]) == (1, 4)
    assert (answer["totals"]["billing_sessions"], answer["totals"]["named_seats"], answer["totals"]["concurrent_seats"]) == (1, 0, 0)
    assert api.ok(TRENDS, **DAYS)["previous"] is None


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        ({"range": "1m"}, ("2026-02-01", "2026-03-01")),
        ({"range": "3m"}, ("2025-10-01", "2026-01-01")),
        ({"range": "1w"}, ("2026-03-02", "2026-03-09")),
        ({"from_": "2026-03-29", "to": "2026-03-31"}, ("2026-03-27", "2026-03-29")),
        ({"from_": "2026-03-29T10:00:00Z", "to": "2026-03-29T12:00:00Z"}, ("2026-03-29T10", "2026-03-29T12")),
    ],
)
def test_months_go_back_by_months_days_by_days_and_the_rest_by_time(api: Api, asked: dict[str, str], before: tuple[str, str]) -> None:
    """In a zone whose clock changes on the 29th of March 2026."""
    found = api.ok(TRENDS, **asked, timezone="Europe/Berlin", compare="previous")["previous"]["range"]
    assert (found["from"].startswith(before[0]), found["to"].startswith(before[1])) == (True, True)


def test_as_csv_there_is_a_row_for_each_bucket_and_group(api: Api, clickhouse: ClickHouse) -> None:
    filled(api, clickhouse)
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00", app_id="=cmd()"))
    response = api.get(TRENDS, **DAYS, group_by="app", compare="previous", timezone="Asia/Kolkata", format="csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert response.headers["content-type"].startswith("text/csv")
    assert [row["group"] for row in rows[::2]] == ["", "'=cmd()", "a", "b", "c"] * 2
    assert {row["timezone"] for row in rows} == {"Asia/Kolkata"}
    assert (rows[0]["period"], rows[0]["start"], rows[0]["billing_sessions"]) == ("current", "2026-03-02T00:00:00.000+05:30", "2")


@pytest.mark.parametrize(
    ("accept", "asked", "kind"),
    [
        ("text/csv", {}, "text/csv"),
        ("*/*", {}, "application/json"),
        ("application/json, text/csv", {}, "application/json"),
        ("text/csv;q=0.9, */*", {"format": "json"}, "application/json"),
        ("image/png", {"format": "csv"}, "text/csv"),
    ],
)
def test_the_format_is_the_parameter_and_else_what_is_accepted(api: Api, accept: str, asked: dict[str, str], kind: str) -> None:
    response = api.client.get(TRENDS, params=asked, headers={"Authorization": f"Bearer {api.key}", "Accept": accept})
    assert response.headers["content-type"].startswith(kind)


def test_more_cells_than_anybody_reads_are_refused(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, "2026-03-02T10:00", app_id=f"a{number}") for number in range(60)))
    refused = api.get(TRENDS, from_="2026-02-20", to="2026-03-15", interval="15m", group_by="app")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "interval")

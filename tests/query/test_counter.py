"""Counts by quarter: trends say the same with them and without, whatever changes afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from services.events.times import format_ms
from services.query.counter import COUNT, count_days, count_due
from services.runtime import clickhouse as runtime
from services.runtime.settings import Settings
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, Fact, conversation, ms, rested, session

TRENDS = "/v1/usage/trends"
MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-03-08", "timezone": "Asia/Kathmandu"}
GROUPINGS: list[dict[str, Any]] = [
    {},
    {"group_by": "app"},
    {"group_by": "channel", "interval": "hour"},
    {"group_by": "type", "app_id": "a"},
    {"group_by": "app", "channel": ["web", "sms"]},
    {"type": "voice", "app_id": ["a", "b"], "channel": "web"},
    {"interval": "15m", "from_": "2026-03-02T00:07:00.001Z", "to": "2026-03-04"},
]


@pytest.fixture
def writer(settings: Settings) -> Iterator[Client]:
    writer = runtime.connect(settings.clickhouse)
    yield writer
    writer.close()


def random_facts(workspace: str, seed: int) -> list[Fact]:
    random_ = random.Random(seed)
    facts = []
    for number in range(400):
        t0 = random_.randrange(ms("2026-02-27"), ms("2026-03-09"))
        start = t0 + random_.choice((0, 0, 900_000, 86_400_000))
        fields = {"app_id": random_.choice("abc"), "channel": random_.choice(["web", "sms", "ivr"]), "type": random_.choice(["usage", "voice", "alert"])}
        facts.append(session(workspace, format_ms(start), t0=format_ms(t0), conversation_id=f"c{number}", **fields))
    return facts


def put_all(clickhouse: ClickHouse, workspace: str, seed: int) -> list[Fact]:
    facts = random_facts(workspace, seed)
    clickhouse.put("billing_sessions", *facts)
    clickhouse.put("conversations", *(conversation(workspace, fact["conversation_start"], app_id=fact["app_id"], channel=fact["channel"]) for fact in facts))
    return facts


def answers(api: Api) -> list[Any]:
    return [api.ok(TRENDS, **MARCH | asked) for asked in GROUPINGS]


def test_a_range_that_cuts_quarters_counts_what_is_inside_to_the_millisecond(api: Api, clickhouse: ClickHouse, writer: Client) -> None:
    w = api.workspace
    starts = ("10:00", "10:06:59.999", "10:07", "10:14:59.999", "10:15", "10:59", "11:00", "11:06:59.999", "11:07", "11:14")
    clickhouse.put("billing_sessions", *(session(w, f"2026-03-02T{start}", conversation_id=start) for start in starts))
    clickhouse.put("conversations", *(conversation(w, f"2026-03-02T{start}") for start in starts))
    # One that starts here, and whose t0 is of another day.
    clickhouse.put("billing_sessions", session(w, "2026-03-02T10:08", t0="2026-02-27T10:00", conversation_id="long"))
    rested(clickhouse, w)
    assert sum(days for workspace, days in count_due(writer) if workspace == w) == 2
    asked = {"from_": "2026-03-02T10:07:00Z", "to": "2026-03-02T11:07:00Z"}
    for interval, sessions in (("day", [7]), ("hour", [5, 2]), ("15m", [3, 1, 0, 1, 2])):
        buckets = api.trends(**asked, interval=interval)
        assert [bucket["sessions"] for bucket in buckets] == sessions, interval
        assert sum(bucket["conversations"] for bucket in buckets) == 6


def test_trends_are_the_same_from_the_counts_and_from_the_facts(api: Api, clickhouse: ClickHouse, writer: Client) -> None:
    put_all(clickhouse, api.workspace, 1)
    from_facts = answers(api)
    rested(clickhouse, api.workspace)
    assert sum(days for workspace, days in count_due(writer) if workspace == api.workspace) >= 10
    assert count_of_uncounted(clickhouse, api.workspace) == 0
    assert answers(api) == from_facts
    assert from_facts[0]["totals"]["sessions"] > 200


def test_what_changes_after_a_count_is_seen_at_once(api: Api, clickhouse: ClickHouse, writer: Client) -> None:
    """Moved to another day, taken back, and new: on days that are counted."""
    facts = put_all(clickhouse, api.workspace, 2)
    rested(clickhouse, api.workspace)
    list(count_due(writer))
    before = api.ok(TRENDS, **MARCH)["totals"]["sessions"]
    inside = [fact for fact in facts if "2026-03-02" <= fact["start"] < "2026-03-07"]
    clickhouse.put("billing_sessions", inside[0] | {"revision": 2, "start": "2026-04-01T00:00:00.000Z"}, inside[1] | {"revision": 2, "status": "void"})
    assert api.ok(TRENDS, **MARCH)["totals"]["sessions"] == before - 2
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-05T10:00"))
    assert api.ok(TRENDS, **MARCH)["totals"]["sessions"] == before - 1


def test_a_day_that_is_counted_again_forgets_what_is_no_more(api: Api, clickhouse: ClickHouse, writer: Client) -> None:
    fact = session(api.workspace, "2026-03-02T10:00")
    clickhouse.put("billing_sessions", fact)
    count_days(writer, api.workspace, ["2026-03-02"])
    clickhouse.put("billing_sessions", fact | {"revision": 2, "start": "2026-03-03T10:00:00.000Z", "channel": "sms"})
    count_days(writer, api.workspace, ["2026-03-02"])
    rested(clickhouse, api.workspace)
    list(count_due(writer))
    assert [(day["start"][8:10], day["sessions"]) for day in api.trends(from_="2026-03-02", to="2026-03-04")] == [("02", 0), ("03", 1)]
    assert [group["key"] for group in api.ok(TRENDS, **MARCH, group_by="channel")["groups"]] == ["sms"]


def test_a_page_of_a_day_that_was_counted_anew_has_what_moved_there(api: Api, clickhouse: ClickHouse, writer: Client) -> None:
    """Which days of t0 a page reads is kept for as long as the counts are the same."""
    fact = session(api.workspace, "2026-03-02T10:00")

    def fifth() -> list[str]:
        return [found["start"][:10] for found in api.ok("/v1/usage/sessions", from_="2026-03-05", to="2026-03-06")["sessions"]]

    def count() -> None:
        rested(clickhouse, api.workspace)
        assert [days for workspace, days in count_due(writer) if workspace == api.workspace] == [1]

    clickhouse.put("billing_sessions", fact)
    count()
    assert fifth() == fifth() == []
    clickhouse.put("billing_sessions", fact | {"revision": 2, "start": "2026-03-05T10:00:00.000Z"})
    assert fifth() == ["2026-03-05"]
    count()
    assert fifth() == fifth() == ["2026-03-05"]


def test_a_count_that_began_soon_after_an_insert_is_not_trusted(api: Api, clickhouse: ClickHouse, writer: Client) -> None:
    """Its rows may not have been seen yet: as if the counter had run between the stamp and the rows."""
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"))
    count_days(writer, api.workspace, ["2026-03-02"])
    clickhouse.run(f"ALTER TABLE usage_counts DELETE WHERE workspace_id = '{api.workspace}'", mutations_sync="1")
    assert count_of_uncounted(clickhouse, api.workspace) == 1
    assert api.ok(TRENDS, **MARCH)["totals"]["sessions"] == 1


def test_a_count_that_died_half_way_does_not_count(api: Api, clickhouse: ClickHouse, writer: Client) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"))
    rested(clickhouse, api.workspace)
    writer.command(COUNT, {"workspace": api.workspace, "days": ["2026-03-02"], "began": "2026-03-01 00:00:00"})
    assert count_of_uncounted(clickhouse, api.workspace) == 1
    assert api.ok(TRENDS, **MARCH)["totals"]["sessions"] == 1


def count_of_uncounted(clickhouse: ClickHouse, workspace: str) -> int:
    having = "max(counted_at) < max(touched_at) + INTERVAL 120 SECOND"
    return int(clickhouse.run(f"SELECT count() FROM (SELECT day FROM usage_days WHERE workspace_id = '{workspace}' GROUP BY day HAVING {having})"))

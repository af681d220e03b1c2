"""The list of sessions: what is in it, and pages that are complete and stable."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from services.query import sessions
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, Fact, conversation, session

MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-04-01"}
LIST = "/v1/usage/sessions"


def ids(facts: list[Fact]) -> list[str]:
    return [fact["billing_session_id"] for fact in facts]


def pages(api: Api, **parameters: Any) -> list[list[str]]:
    """All pages, by following the cursor."""
    found: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.ok(LIST, **parameters, **cursor)
        found.append(ids(page["sessions"]))
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def twenty(workspace: str) -> list[Fact]:
    """Twenty sessions, many at one instant, in the order of the list."""
    facts = [session(workspace, f"2026-03-02T10:{number // 7:02}", conversation_id=f"c{number}") for number in range(20)]
    return sorted(facts, key=lambda fact: (fact["start"], fact["billing_session_id"]))


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 19, 20, 21])
def test_pages_together_are_the_list_once_and_in_order(api: Api, clickhouse: ClickHouse, order: str, limit: int) -> None:
    facts = twenty(api.workspace)
    clickhouse.put("billing_sessions", *facts)
    found = pages(api, **MARCH, limit=limit, order=order)
    assert list(chain(*found)) == (ids(facts) if order == "asc" else ids(facts)[::-1])
    assert all(len(page) == limit for page in found[:-1])
    assert found[-1]


def test_sessions_that_come_and_go_between_pages_neither_repeat_nor_hide_the_others(api: Api, clickhouse: ClickHouse) -> None:
    facts = twenty(api.workspace)
    clickhouse.put("billing_sessions", *facts)
    first = api.ok(LIST, **MARCH, limit=10)
    clickhouse.put("billing_sessions", facts[3] | {"revision": 2, "status": "void"}, session(api.workspace, "2026-03-01T00:00"))
    clickhouse.put("billing_sessions", facts[13] | {"revision": 2, "status": "void"}, facts[17] | {"revision": 2, "channel": "voice"})
    second = api.ok(LIST, **MARCH, limit=1000, cursor=first["next_cursor"])
    assert ids(first["sessions"]) + ids(second["sessions"]) == ids(facts[:13] + facts[14:])


def test_a_list_begun_before_midnight_goes_on_in_the_same_week(api: Api, clickhouse: ClickHouse) -> None:
    facts = [session(api.workspace, f"2026-03-{day:02}T10:00") for day in range(9, 17)]
    clickhouse.put("billing_sessions", *facts)
    api.now = "2026-03-15T23:59:59.999"
    first = api.ok(LIST, range="1w", limit=4)
    api.now = "2026-03-16T00:00"
    second = api.ok(LIST, range="1w", limit=100, cursor=first["next_cursor"])
    assert ids(first["sessions"] + second["sessions"]) == ids(facts[:7])
    assert first["range"] == second["range"]


def test_an_item_is_the_fact_with_its_instants_in_the_zone(api: Api, clickhouse: ClickHouse) -> None:
    fact = session(api.workspace, "2026-03-02T10:15", t0="2026-03-02T10:00", end="2026-03-02T10:31", channel_user_id="=1+1", message_id="m1", rule="U7:ended")
    clickhouse.put("billing_sessions", fact)
    clickhouse.put("conversations", conversation(api.workspace, "2026-03-02T10:00", "2026-03-02T10:31", sessions=2))
    [item] = api.ok(LIST, **MARCH, timezone="Asia/Kathmandu")["sessions"]
    instants = {"conversation_start": "15:45", "conversation_end": "16:16", "start": "16:00", "end": "16:16"}
    expected = {name: value for name, value in fact.items() if name not in {"status", "workspace_id"}}
    assert item == expected | {name: f"2026-03-02T{local}:00.000+05:45" for name, local in instants.items()}


@pytest.mark.parametrize("talks_max", [-1, 1_000_000])
def test_the_end_of_a_conversation_is_told_whether_it_was_asked_for_meanwhile_or_afterwards(
    api: Api, clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch, talks_max: int
) -> None:
    """Of one that began shortly before its session, of one that began the day before, of one that is unknown, and of a call."""
    monkeypatch.setattr(sessions, "TALKS_MAX", talks_max)
    w, now, before = api.workspace, "2026-03-02T10:00", "2026-03-01T09:00"
    clickhouse.put(
        "billing_sessions",
        session(w, now, conversation_id="now"),
        session(w, "2026-03-02T10:01", t0=before, conversation_id="before"),
        session(w, "2026-03-02T10:02", conversation_id="unknown"),
        session(w, "2026-03-02T10:03", conversation_id="call", type="voice", rule="V1:full"),
        session(w, "2026-03-02T10:18", t0="2026-03-02T10:03", end="2026-03-02T10:20", conversation_id="call", type="voice", rule="V1:ended"),
    )
    clickhouse.put("conversations", conversation(w, now, "2026-03-02T10:05", conversation_id="now"))
    clickhouse.put("conversations", conversation(w, before, "2026-03-02T11:00", conversation_id="before"))
    api.now = "2026-03-20T00:00"
    ends = [item["conversation_end"] for item in api.ok(LIST, **MARCH, limit=4)["sessions"]]
    assert ends == ["2026-03-02T10:05:00.000+00:00", "2026-03-02T11:00:00.000+00:00", None, "2026-03-02T10:20:00.000+00:00"]


def test_the_end_of_an_open_conversation_is_null(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"), session(api.workspace, "2026-03-02T11:00"))
    clickhouse.put("conversations", conversation(api.workspace, "2026-03-02T10:00"))
    assert [item["conversation_end"] for item in api.ok(LIST, **MARCH)["sessions"]] == [None, None]


def test_filters_keep_what_they_name(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    facts = [
        session(w, "2026-03-02T10:00", app_id="a", channel="web"),
        session(w, "2026-03-02T10:01", app_id="b", channel="sms", conversation_id="it's \\ 'one'\t\n"),
        session(w, "2026-03-02T10:02", app_id="b", channel="web", type="voice", conversation_id="call"),
        session(w, "2026-03-02T10:03", app_id="c", channel="é", type="alert", conversation_id=""),
    ]
    clickhouse.put("billing_sessions", *facts)

    def kept(**parameters: Any) -> list[int]:
        return [ids(facts).index(each) for each in ids(api.ok(LIST, **MARCH, **parameters)["sessions"])]

    assert kept() == [0, 1, 2, 3]
    assert kept(app_id="b") == [1, 2]
    assert kept(app_id=["a", "c"]) == [0, 3]
    assert kept(type="voice") == [2]
    assert kept(type=["usage", "alert"], channel="web") == [0]
    assert kept(channel="é") == [3]
    assert kept(conversation_id=["it's \\ 'one'\t\n", "call"]) == [1, 2]


@pytest.mark.parametrize("other", [{"app_id": "app"}, {"type": "usage"}, {"order": "desc"}, {"channel": "web"}, {"to": "2026-04-02"}])
def test_a_cursor_of_another_question_is_refused(api: Api, clickhouse: ClickHouse, other: dict[str, str]) -> None:
    clickhouse.put("billing_sessions", *twenty(api.workspace))
    cursor = api.ok(LIST, **MARCH, limit=10)["next_cursor"]
    refused = api.get(LIST, **MARCH | other, limit=10, cursor=cursor)
    assert (refused.status_code, refused.json()["code"], refused.json()["errors"][0]["field"]) == (422, "invalid_cursor", "cursor")


@pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "é", "W10", "W251bGxd", "WyIiLDAsMCwwLCIiXQ", "A" * 512, "=="])
def test_what_is_no_cursor_is_refused(api: Api, cursor: str) -> None:
    refused = api.get(LIST, **MARCH, cursor=cursor)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")

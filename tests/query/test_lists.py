"""Lists beside the sessions: conversations, refused events, the agents of the peak; and why one session is what it is."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from tests.query.conftest import Api
from tests.query.stage import ClickHouse, conversation, login, peak, rejected, session

MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-04-01"}
CONVERSATIONS, REJECTED, AGENTS = "/v1/usage/conversations", "/v1/usage/rejected", "/v1/usage/agents"
_OFFSETS = count(1)


def starts(answer: dict[str, Any]) -> list[str]:
    return [each["start"][8:16] for each in answer["conversations"]]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_conversations_are_the_whole_list_in_order(api: Api, clickhouse: ClickHouse, order: str) -> None:
    facts = [conversation(api.workspace, f"2026-03-{day:02}T10:00", conversation_id=f"c{number}") for day in (2, 9, 30) for number in range(3)]
    clickhouse.put("conversations", *facts, conversation(api.workspace, "2026-04-01T00:00"), conversation("w-of-others", "2026-03-02T10:00"))
    found: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = api.ok(CONVERSATIONS, **MARCH, order=order, limit=4, **cursor)
        found += [(each["start"], each["conversation_episode_id"]) for each in answer["conversations"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert len(found) == 9
    assert found == sorted(set(found), reverse=order == "desc")


def test_conversations_are_found_by_who_where_and_whether_they_are_open(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put(
        "conversations",
        conversation(w, "2026-03-02T10:00", kore_user_id="u1", app_id="a"),
        conversation(w, "2026-03-02T11:00", "2026-03-02T11:05", channel_user_id="+1", channel="sms"),
        conversation(w, "2026-03-02T12:00", "2026-03-02T12:05", kore_user_id="u1", status="void"),
    )
    asked: list[dict[str, object]] = [{"kore_user_id": "u1"}, {"channel_user_id": "+1"}, {"channel": "sms"}, {"app_id": "a"}, {"open": True}, {"open": False}]
    first, second = ["02T10:00"], ["02T11:00"]
    assert [starts(api.ok(CONVERSATIONS, **MARCH, **each)) for each in asked] == [first, second, second, first, first, second]


@pytest.mark.parametrize("page", [CONVERSATIONS, REJECTED])
def test_a_cursor_of_another_list_is_refused(api: Api, clickhouse: ClickHouse, page: str) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-02T10:0{minute}") for minute in range(3)))
    cursor = api.ok("/v1/usage/sessions", **MARCH, limit=1)["next_cursor"]
    assert api.get(page, **MARCH, cursor=cursor).json()["code"] == "invalid_cursor"


def test_refused_events_are_those_of_the_workspace_by_log_time(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    lines = [("2026-03-02T10:00", "future"), ("2026-03-03T10:00", "too_late"), ("2026-04-01", "future")]
    clickhouse.put("rejected_events", *(rejected(w, at, next(_OFFSETS), reason=why) for at, why in lines))
    clickhouse.put("rejected_events", rejected("w-of-others", "2026-03-02", next(_OFFSETS)))
    first = api.ok(REJECTED, **MARCH, limit=1)
    second = api.ok(REJECTED, **MARCH, limit=1, cursor=first["next_cursor"])
    assert [page["rejected"][0]["reason"] for page in (first, second)] == ["future", "too_late"]
    assert second["next_cursor"] is None
    assert [each["reason"] for each in api.ok(REJECTED, **MARCH, reason="too_late")["rejected"]] == ["too_late"]
    assert api.get(REJECTED, key=api.new_key(apps=("a",))).json()["code"] == "not_allowed"


def test_the_agents_of_the_peak_are_those_of_its_instant(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-02T10:00", "2026-03-02T10:30"), login(w, "bob", "2026-03-02T10:07", "2026-03-02T10:09"))
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:00", 2, "2026-03-02T10:07"))
    answer = api.ok(AGENTS, **MARCH)
    assert (answer["at"][:16], [agent["agent_id"] for agent in answer["agents"]]) == ("2026-03-02T10:07", ["ann", "bob"])
    assert api.ok(AGENTS, from_="2026-03-04", to="2026-03-05") | {"as_of": ""} == {"workspace_id": w, "app_ids": [], "as_of": "", "at": None, "agents": []}


def test_an_open_login_is_there_until_the_watermark_and_not_after(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("agent_logins", login(api.workspace, "ann", "2026-03-15T10:00", None))
    api.metered_until("2026-03-15T11:00")
    assert [len(api.ok(AGENTS, at=at)["agents"]) for at in ("2026-03-15T11:00:00Z", "2026-03-15T11:00:00.001Z")] == [1, 0]


def test_a_session_is_explained_with_its_conversation_and_its_neighbours(api: Api, clickhouse: ClickHouse) -> None:
    """31 minutes, of which the agent had ten: 0-15, and 15-21 of the bot clock (U6)."""
    w, t0 = api.workspace, "2026-03-02T10:00"
    first = session(w, t0, conversation_id="c", rule="U7:full")
    second = session(w, "2026-03-02T10:15", t0=t0, end="2026-03-02T10:31", conversation_id="c", rule="U7:ended", bot_ms=360_000, human_ms=600_000)
    alone = session(w, t0, conversation_id="d")
    clickhouse.put("billing_sessions", first, second, alone)
    clickhouse.put("conversations", conversation(w, t0, "2026-03-02T10:31", conversation_id="c", sessions=2, human_ms=600_000, end_reason="user"))
    answer = api.ok(f"/v1/usage/sessions/{second['billing_session_id']}")
    assert answer["explanation"] == {
        "rule": "U7:ended",
        "text": "The conversation ended before the bot clock read 30 minutes: it ends where the clock stood then.",
        "number": 2,
        "of": 2,
        "clock_from_ms": 900_000,
        "clock_to_ms": 1_260_000,
    }
    assert (answer["conversation"]["end_reason"], answer["conversation"]["sessions"]) == ("user", 2)
    assert [each["billing_session_id"] for each in answer["sessions"]] == [first["billing_session_id"], second["billing_session_id"]]
    assert api.ok(f"/v1/usage/sessions/{alone['billing_session_id']}")["conversation"] is None


def test_an_alert_is_explained_by_itself(api: Api, clickhouse: ClickHouse) -> None:
    alert = session(api.workspace, "2026-03-02T10:00", end="2026-03-02T10:00", type="alert", conversation_id="", rule="A1")
    clickhouse.put("billing_sessions", alert)
    answer = api.ok(f"/v1/usage/sessions/{alert['billing_session_id']}")
    assert (answer["explanation"]["number"], answer["explanation"]["clock_to_ms"], answer["sessions"]) == (1, 0, [])


@pytest.mark.parametrize("which", [{"kore_user_id": "u1"}, {"channel_user_id": "=1"}, {"conversation_id": "c-1"}])
def test_the_sessions_of_one_user_are_found_wherever_they_are(api: Api, clickhouse: ClickHouse, which: dict[str, str]) -> None:
    mine = [session(api.workspace, f"2026-03-{day:02}T10:00", kore_user_id="u1", channel_user_id="=1", conversation_id="c-1") for day in (1, 15, 31)]
    clickhouse.put("billing_sessions", *mine, session(api.workspace, "2026-03-15T10:00", kore_user_id="u2", channel_user_id="2"))
    assert [each["start"][8:10] for each in api.ok("/v1/usage/sessions", **MARCH, **which)["sessions"]] == ["01", "15", "31"]

"""One session by its id, and who was logged in at an instant."""

from __future__ import annotations

import pytest

from tests.query.conftest import Api
from tests.query.stage import ClickHouse, conversation, login, peak, session

AT = "2026-03-02T10:30:00Z"


def test_a_session_is_found_by_its_id_as_lists_show_it(api: Api, clickhouse: ClickHouse) -> None:
    facts = [session(api.workspace, "2026-03-02T10:00", conversation_id=f"c{number}") for number in range(20)]
    clickhouse.put("billing_sessions", *facts)
    clickhouse.put("conversations", conversation(api.workspace, "2026-03-02T10:00", "2026-03-02T10:14", conversation_id="c7"))
    found = api.ok(f"/v1/usage/sessions/{facts[7]['billing_session_id']}", timezone="Asia/Kathmandu")
    [listed] = api.ok("/v1/usage/sessions", from_="2026-03-02", to="2026-03-03", timezone="Asia/Kathmandu", conversation_id="c7")["sessions"]
    assert found.items() >= listed.items()
    assert found["conversation_end"] == "2026-03-02T15:59:00.000+05:45"


def test_the_newest_revision_is_found_wherever_it_moved(api: Api, clickhouse: ClickHouse) -> None:
    fact = session(api.workspace, "2026-03-01T23:50", t0="2026-03-01T23:30")
    clickhouse.put("billing_sessions", fact | {"revision": 2, "start": "2026-03-02T00:20:00.000Z"}, fact)
    assert api.ok(f"/v1/usage/sessions/{fact['billing_session_id']}")["start"] == "2026-03-02T00:20:00.000+00:00"


def test_what_was_taken_back_and_what_belongs_to_others_is_not_found(api: Api, clickhouse: ClickHouse) -> None:
    mine, gone, others = session(api.workspace, "2026-03-02T10:00"), session(api.workspace, "2026-03-02T11:00"), session("w-of-others", "2026-03-02T10:00")
    clickhouse.put("billing_sessions", mine, gone, others, gone | {"revision": 2, "status": "void"})
    for fact in (gone, others):
        answer = api.get(f"/v1/usage/sessions/{fact['billing_session_id']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert api.get(f"/v1/usage/sessions/{mine['billing_session_id']}", key=api.new_key(apps=("b",))).status_code == 404


@pytest.mark.parametrize("name", ["x", "0" * 31, "0" * 33, "A" * 32, "'", "%27%20OR%201%3D1"])
def test_what_is_no_id_is_refused(api: Api, name: str) -> None:
    assert api.get(f"/v1/usage/sessions/{name}").json()["code"] == "invalid_parameter"


@pytest.mark.parametrize(
    ("start", "end", "present"),
    [
        ("2026-03-02T10:30", "2026-03-02T11:00", True),
        ("2026-03-02T10:30:00.001", "2026-03-02T11:00", False),
        ("2026-03-02T10:00", "2026-03-02T10:30:00.001", True),
        ("2026-03-02T10:00", "2026-03-02T10:30", False),
        ("2026-03-02T10:30", "2026-03-02T10:30", False),
        ("2026-03-01T10:30:00.001", None, True),
        ("2026-03-01T10:30", None, False),
    ],
)
def test_an_agent_is_there_from_the_login_until_just_before_its_end(api: Api, clickhouse: ClickHouse, start: str, end: str | None, present: bool) -> None:
    clickhouse.put("agent_logins", login(api.workspace, "ann", start, end))
    assert bool(api.ok("/v1/usage/agents", at=AT)["agents"]) == present


def test_an_agent_of_two_logins_is_there_once_with_the_apps_of_both(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-02T09:00", "2026-03-02T11:00", ("b",)), login(w, "ann", "2026-03-02T10:00", None, ("a", "b")))
    clickhouse.put("agent_logins", login(w, "bob", "2026-03-02T10:00", "2026-03-02T12:00", ("b",)))
    agents = api.ok("/v1/usage/agents", at="2026-03-02T16:00:00 05:30", timezone="Asia/Kolkata")["agents"]
    assert [len(agent.pop("logins")) for agent in agents] == [2, 1]
    assert agents == [
        {"agent_id": "ann", "app_ids": ["a", "b"], "since": "2026-03-02T14:30:00.000+05:30", "until": None},
        {"agent_id": "bob", "app_ids": ["b"], "since": "2026-03-02T15:30:00.000+05:30", "until": "2026-03-02T17:30:00.000+05:30"},
    ]
    assert [(each["agent_id"], each["app_ids"]) for each in api.ok("/v1/usage/agents", at=AT, app_id="a")["agents"]] == [("ann", ["a"])]


def test_at_the_peak_there_are_as_many_agents_as_seats(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", *(login(w, f"a{number}", f"2026-03-02T10:0{number}", f"2026-03-02T10:{20 + number}") for number in range(5)))
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:00", 5, "2026-03-02T10:04"))
    together = api.ok("/v1/usage/seats", from_="2026-03-02", to="2026-03-03")["together"]
    assert len(api.ok("/v1/usage/agents", at=together["peak_at"])["agents"]) == together["concurrent_seats"] == 5


@pytest.mark.parametrize("at", ["", "now", "2026-03-02", "2026-03-02T10:30:00", "1979-12-31T00:00:00Z", "9999-01-01T00:00:00Z"])
def test_what_is_no_instant_is_refused_by_name(api: Api, at: str) -> None:
    answer = api.get("/v1/usage/agents", at=at)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "at")

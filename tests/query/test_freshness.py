"""How far the numbers reach, what is open, and which apps there are."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.query.conftest import Api
from tests.query.stage import ClickHouse, assignment, conversation, login, processor_line, session

FRESHNESS = "/v1/usage/freshness"
BEYOND = 1 << 20
"""A revision above those of other tests."""


def test_the_watermark_is_told_with_how_far_it_is_behind(api: Api) -> None:
    api.metered_until("2026-03-15T11:58:30")
    answer = api.ok(FRESHNESS, timezone="Asia/Kolkata")
    assert (answer["as_of"], answer["lag_ms"], answer["state"]) == ("2026-03-15T17:28:30.000+05:30", 90_000, "live")
    api.metered_until("2026-03-15T11:54:59")
    assert api.ok(FRESHNESS)["state"] == "late"


def test_what_is_open_is_counted(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("conversations", conversation(w, "2026-03-15T10:00"), conversation(w, "2026-03-15T10:01", "2026-03-15T10:02"))
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-15T10:00", None), login(w, "ann", "2026-03-15T10:01", None, ("b",)))
    answer = api.ok(FRESHNESS)
    assert (answer["open_conversations"], answer["agents_logged_in"], answer["data_since"][:16]) == (1, 1, "2026-03-15T10:00")
    assert api.ok(FRESHNESS, app_id="b")["open_conversations"] == 0


def test_data_begins_with_the_first_fact_of_any_kind(api: Api, clickhouse: ClickHouse) -> None:
    """Also on a day on which there is no session: a conversation that a human agent had from the start bills none."""
    w = api.workspace

    def since(**of: str) -> str | None:
        found = api.ok(FRESHNESS, **of)["data_since"]
        return None if found is None else str(found)[:13]

    assert since() is None
    clickhouse.put("billing_sessions", session(w, "2026-03-10T10:00", app_id="a"))
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-09T10:00", None, ("a", "b")))
    assert (since(), since(app_id="a"), since(app_id="b"), since(app_id="c")) == ("2026-03-09T10", "2026-03-09T10", "2026-03-09T10", None)
    clickhouse.put("conversations", conversation(w, "2026-03-08T10:00"))
    assert since() == "2026-03-08T10"
    assigned = {"c": "2026-03-06", "d": "2026-03-05", "e": "2026-03-07"}
    clickhouse.put("agent_assignments", *(assignment(w, "ann", f"{day}T10:00", None, app) for app, day in assigned.items()))
    assert since() == "2026-03-05T10"
    assert {app: since(app_id=app) for app in assigned} == {app: f"{day}T10" for app, day in assigned.items()}


def test_the_watermark_is_the_least_of_the_newest_generation(api: Api, clickhouse: ClickHouse) -> None:
    lines = [("2026-03-10", 2, 0), ("2026-03-09", 2, 1), ("2026-03-01", 1, 7)]
    for watermark, generation, partition in lines:
        clickhouse.put("ledger", processor_line(watermark, BEYOND, generation, partition))
    assert api.ok(FRESHNESS)["as_of"] == "2026-03-09T00:00:00.000+00:00"
    clickhouse.put("ledger", processor_line(None, BEYOND + 1, 2, 0))
    answer = api.ok(FRESHNESS)
    assert (answer["as_of"], answer["lag_ms"], answer["state"]) == (None, None, "nothing")
    clickhouse.run("TRUNCATE TABLE ledger")


def test_apps_are_those_with_a_session_a_login_or_an_assignment(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("billing_sessions", session(w, "2026-03-01T10:00", app_id="b"), session(w, "2026-03-02T10:00", app_id="b", channel="sms"))
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-15T10:00", None, ("c", "d")))
    clickhouse.put("agent_assignments", assignment(w, "ann", "2026-03-15T10:00", None, "a"))
    apps = api.ok("/v1/usage/apps")["apps"]
    assert [app["app_id"] for app in apps] == ["a", "b", "c", "d"]
    found = apps[1]
    assert (found["channels"], found["sessions"], found["first"][:10], found["last"][:10]) == (["sms", "web"], 2, "2026-03-01", "2026-03-02")
    assert (apps[0]["sessions"], apps[0]["first"]) == (0, None)


def test_a_key_of_some_apps_sees_these_apps_only(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("billing_sessions", *(session(w, "2026-03-01T10:00", app_id=app) for app in "abc"))
    clickhouse.put("agent_logins", login(w, "ann", "2026-03-15T10:00", None, ("b", "d")))
    found = api.get("/v1/usage/apps", key=api.new_key(apps=("a", "b"))).json()["apps"]
    assert [app["app_id"] for app in found] == ["a", "b"]


def test_apps_are_called_what_people_call_them_also_before_they_have_a_session(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, "2026-03-01T10:00", app_id=app) for app in "bc"))
    for workspace, app, name in [(api.workspace, "b", "Bank"), (api.workspace, "a", "Shop"), ("somebody else", "c", "Other")]:
        api.accounts.name_app(workspace, app, name, datetime(2026, 3, 1, tzinfo=UTC))
    assert [(app["app_id"], app["name"], app["sessions"]) for app in api.ok("/v1/usage/apps")["apps"]] == [("a", "Shop", 0), ("b", "Bank", 1), ("c", "", 1)]
    of_b = api.get("/v1/usage/apps", key=api.new_key(apps=("b", "c"))).json()["apps"]
    assert [(app["app_id"], app["name"]) for app in of_b] == [("b", "Bank"), ("c", "")]

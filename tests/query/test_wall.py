"""The second wall: with the first one broken on purpose, a key still reads its own workspace and its own apps only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.accounts.keys import Principal
from services.query import apps, conversations, counts, freshness, session_statements, trend_statements
from services.query.reader import ClickHouseReaders
from services.query.statement import Statement
from services.query.wall import APP_FILTERS
from services.runtime.errors import Unavailable
from services.runtime.settings import Settings
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, assignment, conversation, login, peak, rejected, session

MINE, THEIRS = "wall 'a'\\", "wall b"
"""A name that would end a literal, were it not escaped."""


@pytest.fixture(scope="module")
def readers(settings: Settings, clickhouse: ClickHouse) -> Iterator[ClickHouseReaders]:
    for number, workspace in enumerate((MINE, THEIRS)):
        for app in ("a", "b"):
            clickhouse.put("billing_sessions", session(workspace, "2026-03-02T10:00", app_id=app))
            clickhouse.put("conversations", conversation(workspace, "2026-03-02T10:00", app_id=app))
            clickhouse.put("seat_peaks", peak(workspace, "2026-03-02T10:00", 1, app_id=app))
            clickhouse.put("agent_logins", login(workspace, f"of {app}", "2026-03-02T10:00", None, (app,)))
            clickhouse.put("agent_assignments", assignment(workspace, "ann", "2026-03-02T10:00", None, app))
        clickhouse.put("rejected_events", rejected(workspace, "2026-03-02T10:00", 10**9 + number))
        counted = {"workspace_id": workspace, "cut": "app", "start_day": "2026-03-02", "kind": "usage", "t0_day": "2026-03-02", "counts": [1]}
        clickhouse.put("usage_counts", *(counted | {"app_id": app, "channel": "", "counted_at": "2026-03-02T11:00:00Z"} for app in ("a", "b")))
    readers = ClickHouseReaders(settings)
    yield readers
    readers.close()


def principal(workspace: str, *app_ids: str) -> Principal:
    return Principal(workspace, "0" * 12, frozenset({"read"}), app_ids)


@pytest.mark.parametrize("table", APP_FILTERS)
@pytest.mark.parametrize("final", ["", " FINAL"])
def test_a_statement_without_any_condition_reads_one_workspace(readers: ClickHouseReaders, table: str, final: str) -> None:
    statement = Statement(f"SELECT DISTINCT workspace_id FROM (SELECT * FROM {table}{final})", {})
    assert readers.of(principal(MINE)).rows(statement) == [(MINE,)]
    assert readers.of(principal(THEIRS)).rows(statement) == [(THEIRS,)]


@pytest.mark.parametrize("view", ["v_billing_sessions", "v_conversations", "v_seat_peaks", "v_agent_logins", "v_agent_assignments", "v_rejected_events"])
def test_the_wall_stands_inside_views_too(readers: ClickHouseReaders, view: str) -> None:
    assert readers.of(principal(MINE)).rows(Statement(f"SELECT DISTINCT workspace_id FROM {view}", {})) == [(MINE,)]


@pytest.mark.parametrize("table", ["billing_sessions", "conversations", "seat_peaks", "agent_assignments", "usage_counts"])
def test_a_key_of_some_apps_reads_these_apps(readers: ClickHouseReaders, table: str) -> None:
    assert readers.of(principal(MINE, "a")).rows(Statement(f"SELECT DISTINCT app_id FROM {table} FINAL", {})) == [("a",)]


def test_a_key_of_some_apps_reads_their_agents_and_no_refused_event(readers: ClickHouseReaders) -> None:
    reader = readers.of(principal(MINE, "b"))
    assert reader.rows(Statement("SELECT agent_id FROM agent_logins FINAL", {})) == [("of b",)]
    assert reader.rows(Statement("SELECT count() FROM rejected_events", {})) == [(0,)]


def test_requests_of_two_tenants_at_once_never_share_a_wall(readers: ClickHouseReaders) -> None:
    """A server may keep sessions between requests."""
    statement = Statement("SELECT DISTINCT workspace_id, app_id FROM billing_sessions FINAL ORDER BY app_id", {})
    whose = [(MINE, ()), (THEIRS, ()), (MINE, ("a",)), (THEIRS, ("b",))] * 40
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda who: readers.of(principal(who[0], *who[1])).rows(statement), whose))
    assert found == [[(workspace, app) for app in apps or ("a", "b")] for workspace, apps in whose]


BROKEN = "SELECT count() FROM billing_sessions"


@pytest.mark.parametrize(
    "text",
    [
        f"{BROKEN} SETTINGS additional_table_filters = {{}}",
        f"{BROKEN} SETTINGS readonly = 0",
        "SET additional_table_filters = {}",
        "INSERT INTO agent_assignments SELECT * FROM agent_assignments",
        "ALTER TABLE billing_sessions DELETE WHERE true",
        "DROP TABLE billing_sessions",
        "CREATE TABLE mine (x Int8) ENGINE = Memory",
    ],
)
def test_a_statement_can_neither_write_nor_take_the_wall_away(readers: ClickHouseReaders, text: str) -> None:
    with pytest.raises((ClickHouseError, Unavailable)):
        readers.of(principal(MINE)).rows(Statement(text, {}))


def test_with_the_first_wall_broken_every_page_still_tells_its_own_workspace(api: Api, clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The condition of every statement says nothing: the numbers are those of the key's workspace all the same."""
    w = api.workspace
    mine = session(w, "2026-03-02T10:00", app_id="a")
    clickhouse.put("billing_sessions", mine, session("somebody else", "2026-03-02T10:00", app_id="a"), session("somebody else", "2026-03-02T10:00", app_id="b"))
    clickhouse.put("conversations", conversation("somebody else", "2026-03-02T10:00", app_id="a"))
    for module in (counts, trend_statements, session_statements, conversations, freshness, apps):
        monkeypatch.setattr(module, "scope_sql", lambda *_: "true")
    march = {"from_": "2026-03-01", "to": "2026-04-01"}
    assert sum(day["sessions"] for day in api.trends(**march)) == 1
    assert [each["billing_session_id"] for each in api.ok("/v1/usage/sessions", **march)["sessions"]] == [mine["billing_session_id"]]
    assert api.get("/v1/usage/sessions.csv", **march).text.count("\n") == 2
    assert api.ok("/v1/usage/conversations", **march)["conversations"] == []
    assert [app["app_id"] for app in api.ok("/v1/usage/apps")["apps"]] == ["a"]

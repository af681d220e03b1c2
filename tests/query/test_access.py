"""Who may see what: keys, scopes, tenants, and refusals that tell nothing they should not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from services.query.app import create_app
from services.query.problems import CODES
from services.runtime.settings import Settings
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, assignment, conversation, login, peak, session

PAGES = ["/v1/usage/trends", "/v1/usage/seats", "/v1/usage/sessions", "/v1/usage/sessions.csv"]
MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-04-01"}


def full_of_everything(clickhouse: ClickHouse, workspace: str) -> None:
    """Facts of the same app, agent and conversation ids as in any other workspace."""
    clickhouse.put("billing_sessions", session(workspace, "2026-03-02T10:00", channel_user_id=f"user of {workspace}"))
    clickhouse.put("conversations", conversation(workspace, "2026-03-02T10:00", "2026-03-02T10:05"))
    clickhouse.put("seat_peaks", peak(workspace, "2026-03-02T10:00", 7), peak(workspace, "2026-03-02T10:00", 7, app_id="app"))
    clickhouse.put("agent_logins", login(workspace, "ann", "2026-03-02T10:00", "2026-03-02T11:00"))
    clickhouse.put("agent_assignments", assignment(workspace, "ann", "2026-03-02T10:00", None))


@pytest.mark.parametrize("more", [{}, {"app_id": "app"}, {"app_id": ["app", "b"]}, {"from_": "2026-03-02T09:59:59.999Z"}])
def test_a_key_sees_its_own_workspace_only(api: Api, clickhouse: ClickHouse, more: dict[str, Any]) -> None:
    other, asked = f"w-{uuid4().hex[:12]}", MARCH | more
    full_of_everything(clickhouse, other)
    nothing = {"billing_sessions": 0, "conversations": 0, "concurrent_seats": 0, "named_seats": 0, "agent_count": 0}
    assert all(day.items() >= nothing.items() for day in api.trends(**asked))
    assert api.ok("/v1/usage/seats", **asked)["apps"] == []
    assert api.ok("/v1/usage/sessions", **asked)["sessions"] == []
    assert api.get("/v1/usage/sessions.csv", **asked).text.count("\n") == 1
    theirs = Api(api.client, api.accounts, clickhouse, other)
    assert sum(day["billing_sessions"] for day in theirs.trends(**asked)) == 1
    assert theirs.get("/v1/usage/sessions.csv", **asked).text.count(f"user of {other}") == 1


def test_the_end_of_a_conversation_of_another_workspace_is_not_shown(api: Api, clickhouse: ClickHouse) -> None:
    full_of_everything(clickhouse, f"w-{uuid4().hex[:12]}")
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"))
    assert api.ok("/v1/usage/sessions", **MARCH)["sessions"][0]["conversation_end"] is None


def test_a_cursor_of_another_workspace_is_refused(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"), session(api.workspace, "2026-03-02T10:01"))
    cursor = api.ok("/v1/usage/sessions", **MARCH, limit=1)["next_cursor"]
    other = Api(api.client, api.accounts, clickhouse, f"w-{uuid4().hex[:12]}")
    assert other.get("/v1/usage/sessions", **MARCH, limit=1, cursor=cursor).json()["code"] == "invalid_cursor"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", ["workspace", "workspace_id", "api_key", "access_token", "tenant"])
def test_a_workspace_or_a_key_in_the_url_is_an_unknown_parameter(api: Api, page: str, name: str) -> None:
    refused = api.get(page, **MARCH, **{name: api.workspace})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, name)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer qh_0"}, {"Authorization": "Basic cWg6"}, {"X-API-Key": f"qh_{'0' * 12}_{'0' * 64}"}]
)
def test_without_a_good_key_there_is_nothing_to_see(api: Api, page: str, headers: dict[str, str]) -> None:
    refused = api.client.get(page, headers=headers)
    assert (refused.status_code, refused.json()["code"], refused.headers["www-authenticate"]) == (401, "unauthenticated", "Bearer")
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_key_is_taken_from_either_header(api: Api) -> None:
    assert api.client.get("/v1/usage/seats", headers={"X-API-Key": api.key}).status_code == 200
    assert api.client.get("/v1/usage/seats", headers={"Authorization": f"bearer {api.key}"}).status_code == 200


def test_a_revoked_key_is_refused_at_the_next_request(api: Api) -> None:
    assert api.get("/v1/usage/seats").status_code == 200
    api.accounts.revoke_key(api.key.split("_")[1], datetime(2026, 3, 1, tzinfo=UTC))
    assert (api.get("/v1/usage/seats").status_code, api.get("/v1/usage/seats").json()["detail"]) == (401, "This API key was revoked.")


@pytest.mark.parametrize(
    ("scopes", "statuses"),
    [(("read",), [200, 200, 200, 403]), (("export",), [403, 403, 403, 200]), (("admin",), [200] * 4), (("read", "export"), [200] * 4)],
)
def test_every_page_needs_its_scope(api: Api, scopes: tuple[Any, ...], statuses: list[int]) -> None:
    key = api.new_key(scopes=scopes)
    assert [api.get(page, key=key, **MARCH).status_code for page in PAGES] == statuses


def test_a_key_of_some_apps_sees_these_apps_together_and_no_other(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("billing_sessions", *(session(w, f"2026-03-02T10:{minute:02}", app_id=app) for minute, app in enumerate("abbccc")))
    clickhouse.put("agent_logins", *(login(w, f"of {app}", "2026-03-02T10:00", "2026-03-02T11:00", (app,)) for app in "abc"))
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:00", 3), *(peak(w, "2026-03-02T10:00", 1, app_id=app) for app in "abc"))
    key = api.new_key(apps=("a", "b"))

    def sees(page: str, **more: Any) -> Any:
        return api.get(page, key=key, **MARCH, **more)

    assert sum(day["billing_sessions"] for day in sees(PAGES[0]).json()["buckets"]) == 3
    seats = sees(PAGES[1]).json()
    assert (seats["together"]["scope"], seats["together"]["concurrent_seats"], seats["together"]["named_seats"]) == ("apps", 2, 2)
    assert [each["app_id"] for each in seats["apps"]] == ["a", "b"]
    assert {item["app_id"] for item in sees(PAGES[2]).json()["sessions"]} == {"a", "b"}
    assert sees(PAGES[3]).text.count("\n") == 1 + 3
    assert sum(day["billing_sessions"] for day in sees(PAGES[0], app_id="b").json()["buckets"]) == 2
    assert [sees(page, app_id=["b", "c"]).json()["code"] for page in PAGES] == ["not_allowed"] * 4


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"timezone": "Nowhere"}, "timezone"),
        ({"range": "5w"}, "range"),
        ({"from_": "2026-01-01"}, "to"),
        ({"from_": "2016-01-01", "to": "2026-01-01"}, "from"),
        ({"app_id": ""}, "app_id"),
        ({"app_id": "x" * 129}, "app_id"),
        ({"app_id": ["x"] * 101}, "app_id"),
        ({"no_such": "1"}, "no_such"),
    ],
)
def test_a_wrong_parameter_is_named(api: Api, page: str, parameters: dict[str, Any], field: str) -> None:
    refused = api.get(page, **parameters)
    assert (refused.status_code, refused.json()["code"], [error["field"] for error in refused.json()["errors"]]) == (422, "invalid_parameter", [field])
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("text", ["'; DROP TABLE billing_sessions --", "{workspace:String}", "app\x00", "\\N", "app' OR 1=1 --", "%s", "\u202e", "[1]", "\\'"])
def test_what_is_sent_is_a_value_and_never_sql(api: Api, clickhouse: ClickHouse, text: str) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"), session(api.workspace, "2026-03-02T11:00", app_id=text, channel=text))
    for name in ("app_id", "channel"):
        assert [item[name] for item in api.ok("/v1/usage/sessions", **MARCH, **{name: text})["sessions"]] == [text]
    assert sum(day["billing_sessions"] for day in api.trends(**MARCH, app_id=[text, "x"])) == 1


@pytest.fixture
def away(settings: Settings) -> Iterator[TestClient]:
    """The service with the accounts there and ClickHouse away."""
    gone = settings.model_copy(update={"clickhouse": settings.clickhouse.model_copy(update={"url": "http://127.0.0.1:1"})})
    with TestClient(create_app(gone), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("page", PAGES)
def test_a_database_that_is_away_is_a_problem_without_its_address(api: Api, away: TestClient, page: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        refused = away.get(page, headers={"Authorization": f"Bearer {api.key}"})
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert "127.0.0.1" not in refused.text
    assert api.key.rpartition("_")[2] not in caplog.text


def test_ready_says_which_database_is_away_and_live_does_not_care(api: Api, away: TestClient) -> None:
    assert api.client.get("/readyz").json() == {"ready": True, "checks": {"clickhouse": True, "postgres": True}}
    answer = away.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "checks": {"clickhouse": False, "postgres": True}})
    assert away.get("/livez").status_code == 200


def test_a_failure_of_ours_shows_no_statement_and_no_stack(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.run("RENAME TABLE usage_counts TO hidden")
    try:
        refused = api.get("/v1/usage/trends")
    finally:
        clickhouse.run("RENAME TABLE hidden TO usage_counts")
    assert refused.status_code == 503
    assert not {"SELECT", "usage_counts", "Traceback", "DB::Exception"} & set(refused.text.replace('"', " ").split())


def test_unknown_pages_and_methods_are_problems_too(api: Api) -> None:
    assert [api.client.get(path).json()["code"] for path in ("/nowhere", "/redoc", "/v1/usage")] == ["not_found"] * 3
    assert api.client.post("/v1/usage/trends").json()["code"] == "method_not_allowed"


def test_the_description_lists_every_page_with_both_ways_to_show_a_key(api: Api) -> None:
    description = api.client.get("/openapi.json").json()
    paths = set(description["paths"])
    assert paths >= {*PAGES, "/livez", "/readyz"}
    for page in paths - {"/livez", "/readyz"}:
        for operation in description["paths"][page].values():
            assert operation["security"] == [{"HTTPBearer": []}, {"APIKeyHeader": []}]
    codes = description["paths"][PAGES[0]]["get"]["responses"]["422"]["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
    assert codes == list(CODES)

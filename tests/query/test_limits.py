"""Limits of a key, seen from outside: 429 with a problem, when to come back, and what is left in every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.accounts.store import Accounts
from services.query.app import create_app
from services.runtime.settings import AccountsSettings, Settings
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, ms, session

MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-04-01"}
SEATS = "/v1/usage/seats"
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def own_key(api: Api, requests: int | None = None, read_s: int | None = None, exports: int | None = None) -> str:
    return api.accounts.create_key(api.workspace, MADE, scopes=["read", "export"], limits=(requests, read_s, exports))[0]


def test_one_request_too_many_is_a_problem_that_says_when_to_come_back(api: Api) -> None:
    key = own_key(api, requests=2)
    api.now = "2026-03-15T12:00:48.500"
    answers = [api.get(SEATS, key=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit"].split(",")[0] for answer in answers] == ['"requests";r=1;t=12', '"requests";r=0;t=12', '"requests";r=0;t=12']
    assert answers[0].headers["ratelimit-policy"].startswith('"requests";q=2;w=60, "read-time";q=')
    refused = answers[2]
    assert (refused.headers["content-type"], refused.headers["retry-after"]) == ("application/problem+json", "12")
    assert (refused.json()["code"], refused.json()["status"], refused.json()["violated_policies"]) == ("quota_exceeded", 429, ["requests"])
    api.now = "2026-03-15T12:01"
    assert api.get(SEATS, key=key).status_code == 200


def test_every_answer_to_a_good_key_tells_what_is_left_and_no_other_does(api: Api) -> None:
    key = api.new_key(scopes=("read",))
    pages = (SEATS, f"{SEATS}?range=5w", "/v1/usage/sessions.csv", f"/v1/usage/sessions/{'0' * 32}")
    answers = [api.client.get(page, headers={"X-API-Key": key}) for page in pages]
    assert [answer.status_code for answer in answers] == [200, 422, 403, 404]
    assert all("ratelimit" in answer.headers for answer in answers)
    assert "ratelimit" not in api.get(SEATS, key="qh_wrong").headers
    assert "ratelimit" not in api.client.get("/livez").headers


def test_a_wrong_parameter_counts_as_a_request_too(api: Api) -> None:
    key = own_key(api, requests=2)
    assert [api.get(SEATS, key=key, range="5w").status_code for _ in range(3)] == [422, 422, 429]


def test_a_key_that_read_too_long_waits_for_the_next_minute(api: Api) -> None:
    key = own_key(api, read_s=1)
    principal = api.accounts.admit(key, MADE)
    assert not isinstance(principal, str)
    before = int(api.get(SEATS, key=key).headers["ratelimit"].rpartition("r=")[2].partition(";")[0])
    after = int(api.get(SEATS, key=key).headers["ratelimit"].rpartition("r=")[2].partition(";")[0])
    assert 0 <= after < before == 1000, "what the first question took is charged"
    api.accounts.charge(principal, datetime.fromtimestamp(ms(api.now) / 1000, UTC), 1000)
    refused = api.get(SEATS, key=key)
    assert (refused.status_code, refused.json()["violated_policies"], refused.headers["retry-after"]) == (429, ["read-time"], "60")
    assert api.get(SEATS).status_code == 200, "another key of the workspace"
    api.now = "2026-03-15T12:01"
    assert api.get(SEATS, key=key).status_code == 200


def test_a_question_that_would_read_more_rows_than_it_may_is_too_expensive(api: Api, clickhouse: ClickHouse, settings: Settings) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-02T10:{minute:02}") for minute in range(10)))
    bounded = settings.model_copy(update={"query": settings.query.model_copy(update={"read_rows_max": 5})})
    with TestClient(create_app(bounded, clock_ms=lambda: ms(api.now)), raise_server_exceptions=False) as client:
        refused = client.get("/v1/usage/trends", headers={"Authorization": f"Bearer {api.key}"})
    assert (refused.status_code, refused.json()["code"]) == (503, "too_expensive")


def test_one_export_too_many_is_refused_until_one_has_ended(api: Api, clickhouse: ClickHouse) -> None:
    key = own_key(api, exports=1)
    principal = api.accounts.admit(key, MADE)
    assert not isinstance(principal, str)
    at = datetime.fromtimestamp(ms(api.now) / 1000, UTC)
    running = {"export_id": "0" * 32, "state": "running"}
    api.accounts.begin_export(principal, running, at)
    refused = api.get("/v1/usage/sessions.csv", key=key, **MARCH)
    assert (refused.status_code, refused.json()["violated_policies"], refused.headers["retry-after"]) == (429, ["exports"], "30")
    api.accounts.end_export("0" * 32, running | {"state": "complete"}, at)
    assert [api.get("/v1/usage/sessions.csv", key=key, **MARCH).status_code for _ in range(2)] == [200, 200], "each ends before the next begins"


@pytest.fixture
def two_processes(settings: Settings) -> Iterator[list[TestClient]]:
    small = settings.model_copy(update={"accounts": AccountsSettings(standard_requests_per_minute=5)})
    clock: Callable[[], int] = lambda: ms("2026-03-15T12:00")  # noqa: E731
    with TestClient(create_app(small, clock_ms=clock)) as one, TestClient(create_app(small, clock_ms=clock)) as other:
        yield [one, other]


def test_two_processes_share_the_limits_of_a_key(two_processes: list[TestClient], accounts: Accounts, workspace: str) -> None:
    key = accounts.create_key(workspace, MADE, scopes=["read"])[0]
    statuses = [two_processes[number % 2].get(SEATS, headers={"X-API-Key": key}).status_code for number in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    accounts.set_workspace(workspace, "enterprise", MADE)
    assert two_processes[0].get(SEATS, headers={"X-API-Key": key}).status_code == 200, "its kind decides, and at once"

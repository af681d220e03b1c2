"""schemathesis on the OpenAPI description: whatever is asked, nothing fails inside, answers have the shape that is described, and refusals are problems.

Against the service on a real port, with facts of every kind. Limit: a few hundred questions in `make test`; `make test-long` asks twenty times as many.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi import checks

from services.accounts.scopes import KEY_SCOPES
from services.accounts.store import Accounts
from services.query.app import create_app
from services.query.problems import CODES, MEDIA_TYPE
from services.runtime.settings import Settings
from tests.parts.examples import examples
from tests.query.stage import REVISIONS, ClickHouse, assignment, conversation, login, peak, processor_line, rejected, session
from tests.query.test_csv import served

WORKSPACE: Final = "w-fuzzed"
DAY: Final = "2026-03-12T"
OPERATIONS: Final = sorted(
    (path, method.upper()) for path, methods in create_app(Settings()).openapi()["paths"].items() for method in methods if path.startswith("/v1/")
)
SHAPE: Final = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def fuzzed(settings: Settings, clickhouse: ClickHouse, accounts: Accounts) -> Iterator[tuple[BaseSchema, str]]:
    """(description, key)."""
    times = [f"{DAY}{hour:02}:07" for hour in range(24)]
    clickhouse.put("billing_sessions", *(session(WORKSPACE, at, type=kind, channel=kind) for at in times for kind in ("usage", "voice", "alert")))
    clickhouse.put("conversations", *(conversation(WORKSPACE, at, None if at > f"{DAY}20" else f"{DAY}23:59") for at in times))
    clickhouse.put("seat_peaks", *(peak(WORKSPACE, f"{DAY}{hour:02}:15", 1 + hour % 3, app_id=app) for hour in range(24) for app in ("", "app")))
    clickhouse.put("agent_logins", *(login(WORKSPACE, f"agent-{at[-5:-3]}", at, None if at > f"{DAY}20" else f"{DAY}23:59") for at in times))
    clickhouse.put("agent_assignments", assignment(WORKSPACE, "agent-01", f"{DAY}00:00", None))
    clickhouse.put("rejected_events", *(rejected(WORKSPACE, at, 3_000_000 + number) for number, at in enumerate(times)))
    clickhouse.put("ledger", processor_line("2026-03-13T00:00", next(REVISIONS)))
    key, _ = accounts.create_key(WORKSPACE, datetime(2026, 1, 1, tzinfo=UTC), scopes=KEY_SCOPES, limits=(1_000_000, 100_000, 100))
    with served(settings) as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json"), key


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_whatever_is_asked_the_answer_is_as_described(fuzzed: tuple[BaseSchema, str], path: str, method: str, mode: GenerationMode) -> None:
    schema, key = fuzzed
    operation = schema[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis_settings(max_examples=examples(12), phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    def ask(case: Any) -> None:
        case.headers["Authorization"] = f"Bearer {key}"
        response = case.call(timeout=30)
        case.validate_response(response, checks=SHAPE)
        if response.status_code >= 400:
            refusal_is_a_problem(response.status_code, response.headers["content-type"][0], response.json())

    ask()


def refusal_is_a_problem(status: int, media_type: str, body: dict[str, Any]) -> None:
    assert (media_type, body["status"], body["type"]) == (MEDIA_TYPE, status, f"urn:quarterhour:problem:{body['code']}")
    assert body["code"] in CODES
    assert body["detail"]
    if status == 422:
        # A parameter may have no name at all.
        assert [each["detail"] for each in body["errors"] if isinstance(each["field"], str)]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_without_a_key_with_another_verb_or_a_word_that_is_none_it_is_a_problem(fuzzed: tuple[BaseSchema, str], path: str, method: str) -> None:
    schema, key = fuzzed
    address = schema.get_base_url().rstrip("/") + path.replace("{", "").replace("}", "")
    good = {"Authorization": f"Bearer {key}"}
    word = {"workspace_id": "w-of-others"} if "{" not in path else {}
    found = (
        requests.request(method, address, timeout=30),
        requests.put(address, headers=good, timeout=30),
        requests.request(method, address, params=word, headers=good, timeout=30),
    )
    assert [response.status_code for response in found[:2]] == [401, 405]
    assert found[2].status_code == 422
    for response in found:
        refusal_is_a_problem(response.status_code, response.headers["content-type"], response.json())

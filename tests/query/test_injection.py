"""Texts that are code elsewhere: SQL in every text parameter is answered as any other text; formulas that come with events are texts in every file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from services.cli.meter import final, metered
from services.events import topics
from tests.query.conftest import Api
from tests.query.questions import Page, pages_of
from tests.query.stage import ClickHouse, ms, session

CORPORA: Final = Path(__file__).parent / "corpora"
SQL, FORMULAS = ([json.loads(line) for line in (CORPORA / f"{name}.jsonl").read_text().splitlines()] for name in ("sql", "formulas"))
HARMLESS: Final = "nobody-is-called-so"
RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula somewhere; the last four are the wide forms of the first."""
MARCH: Final[dict[str, Any]] = {"from_": "2026-03-01", "to": "2026-04-01"}


@pytest.fixture
def pages(api: Api, clickhouse: ClickHouse) -> list[Page]:
    """With something in the workspace that must not be shown for a name that is not its own."""
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-02T10:{minute:02}", app_id="a", kore_user_id="u") for minute in range(3)))
    return pages_of(api.client)


def asked(api: Api, page: Page, name: str, value: str | list[str]) -> tuple[int, str]:
    """The status and the answer, without what was asked."""
    response = api.client.get(page.address(), params={**page.base, name: value}, headers={"X-API-Key": api.key})
    body = response.text
    if response.headers["content-type"].startswith("application/json"):
        echoed = ("app_ids", "channels", "types")
        body = json.dumps({key: item for key, item in response.json().items() if key not in echoed})
    return response.status_code, body if response.status_code == 200 else response.json()["code"]


def test_a_list_of_texts_with_sql_is_answered_like_a_list_of_harmless_ones(api: Api, pages: list[Page]) -> None:
    found = 0
    for page in pages:
        for parameter in page.parameters:
            if parameter.is_list and parameter.is_text and len(parameter.values) == 1:
                most = 10 if parameter.name == "reason" else 100
                known = [text for text in SQL if len(text) <= 32][:most]
                answers = [asked(api, page, parameter.name, values) for values in (known, [HARMLESS] * len(known))]
                assert answers[0] == answers[1], (page.path, parameter.name)
                assert answers[0][0] == 200
                found += 1
    assert found >= 15


def test_one_text_with_sql_finds_what_is_called_so_and_nothing_else(api: Api, clickhouse: ClickHouse) -> None:
    names = ("app_id", "channel", "conversation_id", "kore_user_id", "channel_user_id")
    facts = [session(api.workspace, f"2026-03-02T10:{number:02}", **dict.fromkeys(names, text)) for number, text in enumerate(SQL)]
    clickhouse.put("billing_sessions", *facts)
    for number, (text, fact) in enumerate(zip(SQL, facts, strict=True)):
        name = names[number % len(names)]
        found = api.ok("/v1/usage/sessions", **MARCH, **{name: text})["sessions"]
        assert [(one[name], one["billing_session_id"]) for one in found] == [(text, fact["billing_session_id"])]


def test_a_single_text_parameter_with_sql_is_refused_as_any_wrong_text_is(api: Api, pages: list[Page]) -> None:
    single = [(page, each) for page in pages for each in page.parameters if each.is_text and not each.is_list]
    found = [(page, each.name) for page, each in single if each.place == "query"]
    assert len(found) >= 30
    for number, (page, name) in enumerate(found):
        for text in SQL[number % 8 :: 8]:
            assert asked(api, page, name, text) in {(422, "invalid_parameter"), (422, "invalid_cursor")}, (page.path, name, text)


def test_sql_in_an_id_of_the_path_or_in_a_key_is_refused(api: Api) -> None:
    for text in SQL:
        for path in ("/v1/usage/sessions/", "/v1/usage/exports/"):
            assert api.client.get(path + quote(text, safe=""), headers={"X-API-Key": api.key}).status_code in (404, 422), text
        for key in (text, f"qh_{text}", f"{api.key}{text}"):
            assert api.client.get("/v1/usage/seats", headers={"X-API-Key": key.encode()}).status_code == 401, text


NO_TEXT: Final = ("app_id=%ff", "app_id=%c0%27", "app_id=%ed%a0%80", "channel=%00", "timezone=%ff", "cursor=%ff", "from=%ff&to=%ff", "app_id=%", "%ff=1")


@pytest.mark.parametrize("query", NO_TEXT)
def test_bytes_that_are_no_text_are_no_failure(api: Api, query: str) -> None:
    assert api.client.get(f"/v1/usage/sessions?{query}", headers={"X-API-Key": api.key}).status_code in (200, 422)


def events_named(workspace: str, text: str, number: int) -> list[bytes]:
    """A conversation in which everything that an event may name is called so."""
    data = {"workspace_id": workspace, "app_id": text, "channel": text, "kore_user_id": text, "channel_user_id": text, "sender": "user", "message_id": text}
    event = {"specversion": "1.0", "id": f"{workspace}-{number}", "source": "/platform", "type": "conversation.message", "subject": f"{text}{number}"}
    return [json.dumps(event | {"time": f"2026-03-02T10:{number:02}:00.000Z", "data": data}).encode()]


@pytest.fixture
def formulas(api: Api, clickhouse: ClickHouse) -> list[str]:
    """Through the meter into the tables, as if the platform had sent them; those that the meter takes."""
    tables = {topics.SESSIONS: "billing_sessions", topics.EPISODES: "conversations"}
    lines = [line for number, text in enumerate(FORMULAS) for line in events_named(api.workspace, text, number)]
    facts = [fact for fact in final(metered(lines, name="formulas", cap_ms=ms("2026-03-09"), lateness_ms=86_400_000)) if fact.topic in tables]
    for topic, table in tables.items():
        values = b"\n".join(fact.value for fact in facts if fact.topic == topic)
        clickhouse.run(f"INSERT INTO {table} FORMAT JSONEachRow", values, date_time_input_format="best_effort")
    return [json.loads(fact.value)["app_id"] for fact in facts if fact.topic == topics.SESSIONS]


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))[1:]


def test_no_cell_of_any_file_is_run_by_a_spreadsheet(api: Api, formulas: list[str]) -> None:
    assert len(formulas) >= 20
    files = [page for page in pages_of(api.client) if "csv" in page.path or any("csv" in parameter.values for parameter in page.parameters)]
    assert len(files) >= 3
    for page in files:
        questions = [page.base | ({} if "csv" in page.path else {"format": "csv"})]
        if any(parameter.name == "group_by" for parameter in page.parameters):
            questions = [questions[0] | {"group_by": "app"}, questions[0] | {"group_by": "channel"}]
        for question in questions:
            answer = api.client.get(page.path, params=question, headers={"X-API-Key": api.key})
            assert answer.status_code == 200
            rows = cells(answer.text)
            assert len({len(row) for row in rows}) <= 1, page.path
            assert [cell for row in rows for cell in row if cell.startswith(RUNS)] == [], page.path


def test_the_export_has_every_text_as_it_was_sent_but_for_an_apostrophe(api: Api, formulas: list[str]) -> None:
    rows = cells(api.get("/v1/usage/sessions.csv", **MARCH).text)
    expected = sorted(f"'{text}" if text.startswith(RUNS) else text for text in formulas)
    for column in (0, 1, 2, 3, 11):
        assert sorted(row[column] for row in rows) == expected

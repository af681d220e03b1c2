"""Lists as CSV: the whole of the range whatever a page holds, with a manifest; and the agents of an instant."""

from __future__ import annotations

import csv
import io
from hashlib import sha256
from itertools import count
from typing import Any

import httpx
import pytest

from services.query import list_statements
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, conversation, login, rejected, session

MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-04-01", "timezone": "Asia/Kathmandu"}
CONVERSATIONS, REJECTED, AGENTS = "/v1/usage/conversations", "/v1/usage/rejected", "/v1/usage/agents"
_OFFSETS = count(2_000_000)


def rows_of(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def put_conversations(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    facts = [conversation(w, f"2026-03-{day:02}T18:{minute:02}", kore_user_id='=1+"2"\n,') for day in (1, 9, 30) for minute in range(20)]
    around = [conversation(w, at) for at in ("2026-02-28T18:14:59.999", "2026-03-31T18:15")]
    clickhouse.put("conversations", *facts, *around, conversation(w, "2026-03-05T10:00", status="void"), conversation("w-of-others", "2026-03-05T10:00"))


@pytest.mark.parametrize("open_", [None, True, False])
def test_conversations_as_csv_are_all_of_the_range_in_the_words_of_the_list(
    api: Api, clickhouse: ClickHouse, open_: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_statements, "PIECE_ROWS", 60_000)
    put_conversations(api, clickhouse)
    ended = [conversation(api.workspace, f"2026-03-04T11:{minute:02}", "2026-03-04T12:00", channel="sms") for minute in range(5)]
    clickhouse.put("conversations", *ended)
    asked = MARCH | ({} if open_ is None else {"open": open_})
    listed = api.ok(CONVERSATIONS, **asked, limit=1000)["conversations"]
    assert len(listed) == {None: 65, True: 60, False: 5}[open_]
    expected = [{name: "" if value is None else str(value) for name, value in each.items() if name != "revision"} for each in listed]
    for each in expected:
        each["kore_user_id"] = each["kore_user_id"].replace("=1", "'=1")
    assert rows_of(api.get(CONVERSATIONS, **asked, format="csv", limit=3)) == expected


def test_refused_events_as_csv_are_all_of_the_range_in_the_words_of_the_list(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    times = ["2026-02-28T18:15", "2026-03-09T23:59:59.999", "2026-03-10T00:00", "2026-03-31T18:14:59.999", "2026-03-31T18:15"]
    clickhouse.put("rejected_events", *(rejected(w, at, next(_OFFSETS), detail='-no "x",\n', payload_base64="+/+/") for at in times))
    listed = api.ok(REJECTED, **MARCH)["rejected"]
    expected = [{name: str(value).replace("-no", "'-no").replace("+/+/", "'+/+/") for name, value in each.items()} for each in listed]
    assert len(expected) == 4
    found = rows_of(api.get(REJECTED, **MARCH, format="csv", limit=1))
    assert [row | {"rejected_id": ""} for row in found] == [row | {"rejected_id": ""} for row in expected]
    assert [row["rejected_id"] for row in found] == [row["rejected_id"] for row in listed]


@pytest.mark.parametrize("page", [CONVERSATIONS, REJECTED])
def test_a_list_as_csv_has_a_manifest_and_needs_the_right_to_export(api: Api, clickhouse: ClickHouse, page: str) -> None:
    clickhouse.put("conversations", *(conversation(api.workspace, f"2026-03-02T10:{minute:02}") for minute in range(9)))
    clickhouse.put("rejected_events", *(rejected(api.workspace, f"2026-03-02T10:{minute:02}", next(_OFFSETS)) for minute in range(9)))
    response = api.get(page, **MARCH, format="csv")
    manifest = api.ok(f"/v1/usage/exports/{response.headers['x-export-id']}")
    assert (manifest["rows"], manifest["rows_expected"], manifest["sha256"]) == (9, 9, sha256(response.content).hexdigest())
    assert manifest["file_name"].startswith(page.rpartition("/")[2])
    assert api.get(page, key=api.new_key(scopes=("read",)), **MARCH, format="csv").json()["code"] == "not_allowed"


@pytest.mark.parametrize("page", [CONVERSATIONS, REJECTED, "/v1/usage/sessions"])
def test_of_an_empty_range_the_titles_come_alone(api: Api, page: str) -> None:
    lines = api.get(page, **MARCH, format="csv").text.splitlines()
    assert len(lines) == 1
    assert lines[0].count(",") > 5


def test_agents_as_csv_have_a_row_for_each_login(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("agent_logins", login(w, "=ann", "2026-03-02T10:00", "2026-03-02T11:00", ("b", "a b")), login(w, "bob", "2026-03-02T10:05", None))
    clickhouse.put("agent_logins", login(w, "bob", "2026-03-02T10:10", "2026-03-02T10:30", login_id="second"))
    rows = rows_of(api.get(AGENTS, at="2026-03-02T10:20:00Z", format="csv", timezone="Asia/Kathmandu"))
    assert [(row["agent_id"], row["app_ids"], row["start"][11:16], row["end"][11:16]) for row in rows] == [
        ("'=ann", '["a b","b"]', "15:45", "16:45"),
        ("bob", '["app"]', "15:50", ""),
        ("bob", '["app"]', "15:55", "16:15"),
    ]
    assert {row["at"] for row in rows} == {"2026-03-02T16:05:00.000+05:45"}


@pytest.mark.parametrize("page", [CONVERSATIONS, REJECTED, AGENTS, "/v1/usage/sessions", "/v1/usage/trends"])
def test_every_list_comes_as_csv_by_the_accept_header_too(api: Api, clickhouse: ClickHouse, page: str) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"))
    headers = {"Authorization": f"Bearer {api.key}", "Accept": "text/csv;q=0.9, application/json"}
    assert api.client.get(page, headers=headers).headers["content-type"].startswith("text/csv")
    assert api.client.get(page, params={"format": "json"}, headers=headers).headers["content-type"] == "application/json"

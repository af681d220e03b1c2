"""The CSV export: its columns, its cells, and a transfer that breaks where the stream breaks."""

from __future__ import annotations

import csv
import http.client
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import uvicorn

from services.accounts.store import Accounts
from services.local.clickhouse.part import start_clickhouse
from services.query.app import create_app
from services.query.periods import local_text
from services.runtime.migrations import migrate_all
from services.runtime.settings import ClickHouseSettings, Settings
from tests.parts.ports import free_port
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, conversation, ms, session

COLUMNS = [
    "Bot ID", "Channel", "Kore User ID", "Channel User ID", "Billing Session Type", "Conversation Session Id", "Conversation Session Start Date Time",
    "Conversation Session End Date Time", "Billing Session Id", "Billing Session Start Date Time", "Billing Session End Date Time", "Message Id",
]  # fmt: skip
MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-04-01"}
EXPORT = "/v1/usage/sessions.csv"


def rows(api: Api, **parameters: Any) -> list[dict[str, str]]:
    response = api.get(EXPORT, **MARCH | parameters)
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def test_without_sessions_there_is_the_line_of_titles_alone(api: Api) -> None:
    response = api.get(EXPORT, **MARCH)
    assert list(csv.reader(io.StringIO(response.text))) == [COLUMNS]


def test_a_usage_session_has_all_cells(api: Api, clickhouse: ClickHouse) -> None:
    user = {"kore_user_id": "u-1", "channel_user_id": "c-1"}
    fact = session(api.workspace, "2026-03-02T10:15", t0="2026-03-02T10:00", end="2026-03-02T10:31", conversation_id="conv", message_id="m", **user)
    clickhouse.put("billing_sessions", fact)
    clickhouse.put("conversations", conversation(api.workspace, "2026-03-02T10:00", "2026-03-02T10:31", conversation_id="conv"))
    [row] = rows(api, timezone="Asia/Kolkata")
    assert list(row) == COLUMNS
    t0, start, end = "2026-03-02T15:30:00.000+05:30", "2026-03-02T15:45:00.000+05:30", "2026-03-02T16:01:00.000+05:30"
    assert list(row.values()) == ["app", "web", "u-1", "c-1", "usage", "conv", t0, end, fact["billing_session_id"], start, end, "m"]


def test_the_end_of_a_conversation_is_that_of_its_own_episode(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    starts = ("2026-03-02T10:00", "2026-03-02T14:00")
    clickhouse.put(
        "billing_sessions", *(session(w, start, conversation_id="same") for start in starts), session(w, starts[0], conversation_id="same", app_id="b")
    )
    ends = (conversation(w, start, start[:-2] + "05", conversation_id="same") for start in starts)
    clickhouse.put("conversations", *ends, conversation("another", starts[0], "2026-03-02T23:00", conversation_id="same", app_id="b"))
    found = sorted((row["Bot ID"], row["Billing Session Start Date Time"][11:16], row["Conversation Session End Date Time"][11:16]) for row in rows(api))
    assert found == [("app", "10:00", "10:05"), ("app", "14:00", "14:05"), ("b", "10:00", "")]


def test_the_newest_end_of_a_conversation_counts(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"))
    fact = conversation(api.workspace, "2026-03-02T10:00", "2026-03-02T10:05")
    for revision, end in ((1, "2026-03-02T10:05:00.000Z"), (3, "2026-03-02T10:07:00.000Z"), (2, "2026-03-02T10:06:00.000Z")):
        clickhouse.put("conversations", fact | {"revision": revision, "end": end})
    assert [row["Conversation Session End Date Time"] for row in rows(api)] == ["2026-03-02T10:07:00.000+00:00"]


def test_a_call_ends_with_its_last_session_when_that_says_so_wherever_it_lies(api: Api, clickhouse: ClickHouse) -> None:
    """The last session of each call lies in April, outside the range."""
    w, t0 = api.workspace, "2026-03-31T23:50"
    for call, last in (("ended", "V1:ended"), ("silent", "V1:full")):
        of_call: dict[str, object] = {"type": "voice", "conversation_id": call, "t0": t0}
        clickhouse.put(
            "billing_sessions", session(w, t0, **of_call, rule="V1:full"), session(w, "2026-04-01T00:05", **of_call, end="2026-04-01T00:09", rule=last)
        )
    found = {row["Conversation Session Id"]: row["Conversation Session End Date Time"] for row in rows(api)}
    assert found == {"ended": "2026-04-01T00:09:00.000+00:00", "silent": ""}


def test_a_call_does_not_borrow_the_end_of_a_conversation_with_its_id(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00", type="voice", rule="V1:full", conversation_id="x"))
    clickhouse.put("conversations", conversation(api.workspace, "2026-03-02T10:00", "2026-03-02T10:05", conversation_id="x"))
    assert [row["Conversation Session End Date Time"] for row in rows(api)] == [""]


def test_an_alert_is_its_own_conversation(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put(
        "billing_sessions", session(api.workspace, "2026-03-02T10:00", end="2026-03-02T10:00", type="alert", conversation_id="", message_id="m", rule="A1")
    )
    [row] = rows(api)
    assert row["Conversation Session Id"] == ""
    assert {row[title] for title in COLUMNS if title.endswith("Date Time")} == {"2026-03-02T10:00:00.000+00:00"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_has_an_apostrophe_before_it(api: Api, clickhouse: ClickHouse, start: str) -> None:
    texts = ("app_id", "channel", "kore_user_id", "channel_user_id", "conversation_id", "message_id")
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00", **dict.fromkeys(texts, f"{start}cmd|' /C calc'!A0")))
    [row] = rows(api)
    titles = ("Bot ID", "Channel", "Kore User ID", "Channel User ID", "Conversation Session Id", "Message Id")
    assert [row[title] for title in titles] == [f"'{start}cmd|' /C calc'!A0"] * 6


def test_quotes_commas_and_lines_inside_a_cell_come_back_as_they_were(api: Api, clickhouse: ClickHouse) -> None:
    text = 'a "quote", a comma,\na line, a \\ and \u202e é 🎈 1=2'
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00", channel_user_id=text))
    assert [row["Channel User ID"] for row in rows(api)] == [text]


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Casablanca", "Pacific/Marquesas"]
)
def test_clickhouse_and_we_write_the_same_local_time_all_year(api: Api, clickhouse: ClickHouse, zone: str) -> None:
    instants = range(ms("2025-06-01T00:07:09.001"), ms("2026-06-01"), 86_400_000 * 5 + 1_800_001)
    starts = [datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds") for instant in instants]
    clickhouse.put("billing_sessions", *(session(api.workspace, start) for start in starts))
    found = rows(api, from_="2025-06-01T00:00:00Z", to="2026-06-01T00:00:00Z", timezone=zone)
    assert [row["Billing Session Start Date Time"] for row in found] == [local_text(instant, ZoneInfo(zone)) for instant in instants]


def test_the_export_has_what_the_list_has_by_start(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-02T10:{59 - minute:02}", channel="ab"[minute % 2]) for minute in range(60)))
    listed = api.ok("/v1/usage/sessions", **MARCH, limit=1000, channel="a")["sessions"]
    assert [row["Billing Session Id"] for row in rows(api, channel="a")] == [item["billing_session_id"] for item in listed]
    assert len(listed) == 30


def test_the_answer_is_a_file_to_keep(api: Api) -> None:
    headers = api.get(EXPORT, **MARCH, timezone="Asia/Kolkata").headers
    assert headers["content-type"].startswith("text/csv; charset=utf-8")
    assert headers["content-disposition"] == 'attachment; filename="billing-sessions_2026-03-01_2026-04-01_Asia-Kolkata.csv"'
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


@contextmanager
def served(settings: Settings) -> Iterator[int]:
    """The application on a real port."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(settings, clock_ms=lambda: ms("2026-03-15T12:00")), port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield port
    finally:
        server.should_exit = True
        thread.join(30)


def test_a_file_is_not_whole_when_clickhouse_dies_under_it(tmp_path: Path, settings: Settings, accounts: Accounts, workspace: str) -> None:
    key, _ = accounts.create_key(workspace, datetime(2026, 1, 1, tzinfo=UTC), scopes=["export"])
    clickhouse = ClickHouse(ClickHouseSettings(url=f"http://127.0.0.1:{(at := free_port())}"))
    with start_clickhouse(tmp_path / "clickhouse", at) as server:
        own = settings.model_copy(update={"clickhouse": clickhouse.settings})
        migrate_all(own)
        clickhouse.put("billing_sessions", session(workspace, "2026-03-02T10:00"))
        columns = ", ".join(session(workspace, "2026-03-02T10:00"))
        many = columns.replace("billing_session_id", "toString(number) AS billing_session_id", 1).replace(
            "channel_user_id", "repeat('x', 200) AS channel_user_id"
        )
        clickhouse.run(f"INSERT INTO billing_sessions ({columns}) SELECT {many} FROM billing_sessions, numbers(200000) AS many")
        with served(own) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", f"{EXPORT}?from=2026-03-01&to=2026-04-01", headers={"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            assert (response.status, response.headers["Transfer-Encoding"]) == (200, "chunked")
            assert response.read(1000).startswith(b'"Bot ID"')
            server.kill()
            with pytest.raises(http.client.IncompleteRead):
                response.read()

"""The ready queries of sql/analyst, each against the same answer computed from the facts in Python."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from services.events.times import parse_ms
from tests.analyst.conftest import ACME, Facts, Range, march
from tests.query.stage import ClickHouse, Fact
from tests.tidy.tree import ROOT

FOLDER: Final = ROOT / "sql" / "analyst"
QUERIES: Final = sorted(path.stem for path in FOLDER.glob("*.sql") if path.stem != "access")
ZONES: Final = ("UTC", "Asia/Kathmandu", "America/New_York")
Rows = list[list[Any]]


def ask(server: ClickHouse, text: str, method: str = "GET", user: str | None = None, **parameters: str) -> Rows:
    """With GET, which may only read."""
    query = {"database": server.settings.database, "default_format": "JSONCompactEachRow", "output_format_json_quote_64bit_integers": "0"} | parameters
    name, password = (user, "") if user else (server.settings.user, server.settings.password.get_secret_value())
    headers = {"X-ClickHouse-User": name, "X-ClickHouse-Key": password}
    body = text.encode() if method == "POST" else None
    request = urllib.request.Request(f"{server.settings.url}/?{urlencode(query | ({} if body else {'query': text}))}", body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return [json.loads(line) for line in response.read().splitlines()]


def answer_of(server: ClickHouse, name: str, asked: Range) -> Rows:
    values = {"workspace": ACME, "from": asked.first.isoformat(), "to": asked.end.isoformat(), "timezone": asked.zone.key}
    return ask(server, (FOLDER / f"{name}.sql").read_text(), **{f"param_{key}": value for key, value in values.items()})


def usage(facts: Facts, asked: Range, kind: str = "usage") -> list[Fact]:
    return [fact for fact in facts.sessions if fact["type"] == kind and asked.holds(fact["start"])]


def grouped(found: list[Fact], key: Callable[[Fact], tuple[Any, ...]]) -> list[tuple[tuple[Any, ...], list[Fact]]]:
    groups = defaultdict(list)
    for fact in found:
        groups[key(fact)].append(fact)
    return sorted(groups.items())


def lasted_ms(fact: Fact) -> int:
    return parse_ms(fact["end"]) - parse_ms(fact["start"])


def printed(instant: str) -> str:
    return instant.replace("T", " ").removesuffix("Z")


def monthly_invoice(facts: Facts, asked: Range) -> Rows:
    found = [fact for fact in facts.sessions if asked.holds(fact["start"])]
    return [
        [*key, *(sum(fact["type"] == kind for fact in group) for kind in ("usage", "voice", "alert")), len(group)]
        for key, group in grouped(found, lambda fact: (asked.month(fact["start"]), fact["app_id"]))
    ]


def peak_seats(facts: Facts, asked: Range) -> Rows:
    rows = []
    for key, group in grouped([fact for fact in facts.peaks if asked.holds(fact["quarter"])], lambda fact: (asked.month(fact["quarter"]), fact["app_id"])):
        most = max(fact["peak"] for fact in group)
        rows.append([*key, most, printed(min(fact["peak_at"] for fact in group if fact["peak"] == most))])
    return rows


def human_time(facts: Facts, asked: Range) -> Rows:
    rows = []
    for (app,), group in grouped(usage(facts, asked), lambda fact: (fact["app_id"],)):
        with_human = sum(fact["human_ms"] > 0 for fact in group)
        rows.append([app, with_human, len(group), round(with_human / len(group), 4), round(sum(fact["human_ms"] for fact in group) / 3_600_000, 3)])
    return rows


def late_corrections(facts: Facts, asked: Range) -> Rows:
    found = [fact for fact in facts.taken_back if asked.holds(fact["start"])]
    return [[*key, len(group)] for key, group in grouped(found, lambda fact: (asked.day(fact["start"]), fact["app_id"]))]


def records(_facts: Facts, _asked: Range) -> Rows:
    return [["platform.conversations", 150, 143, 7, 1, 7]]


def top_users(facts: Facts, asked: Range) -> Rows:
    found = [fact for fact in usage(facts, asked) if fact["kore_user_id"] or fact["channel_user_id"]]
    rows = [
        [user, len(group), len({fact["conversation_id"] for fact in group}), printed(max(fact["start"] for fact in group))]
        for (user,), group in grouped(found, lambda fact: (fact["kore_user_id"] or fact["channel_user_id"],))
    ]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def end_reasons(facts: Facts, asked: Range) -> Rows:
    found = [fact for fact in facts.conversations if asked.holds(fact["start"])]
    of_app = Counter(fact["app_id"] for fact in found)
    return [
        [app, reason, len(group), round(len(group) / of_app[app], 4)]
        for (app, reason), group in grouped(found, lambda fact: (fact["app_id"], fact["end_reason"] or "open"))
    ]


def conversation_lengths(facts: Facts, asked: Range) -> Rows:
    found = [fact for fact in facts.conversations if fact["end"] and asked.holds(fact["start"])]
    rows = []
    for (sessions,), group in grouped(found, lambda fact: (fact["sessions"],)):
        lengths = sorted(lasted_ms(fact) for fact in group)
        rows.append([sessions, len(group), lengths[(len(lengths) - 1) // 2] / 1000, lengths[-1] / 1000])
    return rows


def voice_minutes(facts: Facts, asked: Range) -> Rows:
    found = [fact for fact in facts.sessions if fact["type"] == "voice" and asked.holds(fact["conversation_start"])]
    return [
        [*key, len({fact["conversation_id"] for fact in group}), len(group), round(sum(map(lasted_ms, group)) / 60_000, 3)]
        for key, group in grouped(found, lambda fact: (asked.day(fact["conversation_start"]), fact["app_id"]))
    ]


def rejected_by_reason(facts: Facts, asked: Range) -> Rows:
    found = [fact for fact in facts.rejected if asked.holds(fact["log_time"])]
    return [
        [*key, len(group), min(fact["rejected_id"] for fact in group)]
        for key, group in grouped(found, lambda fact: (asked.day(fact["log_time"]), fact["source_topic"], fact["reason"], fact["field"]))
    ]


def busiest_hours(facts: Facts, asked: Range) -> Rows:
    starts = [asked.local(fact["start"]) for fact in facts.sessions if asked.holds(fact["start"])]
    return [[*key, number] for key, number in sorted(Counter((start.isoweekday(), start.hour) for start in starts).items())]


EXPECTED: Final[dict[str, Callable[[Facts, Range], Rows]]] = {
    answer.__name__: answer
    for answer in (
        monthly_invoice, peak_seats, human_time, late_corrections, records, top_users, end_reasons, conversation_lengths, voice_minutes,
        rejected_by_reason, busiest_hours,
    )
}  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", QUERIES)
def test_a_ready_query_tells_what_the_facts_tell(analysed: tuple[ClickHouse, Facts], name: str, zone: str) -> None:
    server, facts = analysed
    expected = EXPECTED[name](facts, march(zone))
    assert expected
    got = answer_of(server, name, march(zone))
    assert len(got) == len(expected)
    for row, right in zip(got, expected, strict=True):
        assert row == pytest.approx(right) if all(isinstance(cell, int | float) for cell in right) else row == right


def test_every_query_is_listed_begins_with_what_it_tells_and_reads_views_only() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == QUERIES == sorted(EXPECTED)
    for name in QUERIES:
        text = (FOLDER / f"{name}.sql").read_text()
        assert text.startswith("-- "), name
        assert all(table.startswith("v_") for table in re.findall(r"\bFROM (\w+)", text)), name


def views(server: ClickHouse) -> list[str]:
    return [name for [name] in ask(server, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' ORDER BY name")]


def test_every_column_of_every_view_has_a_comment(analysed: tuple[ClickHouse, Facts]) -> None:
    server, _ = analysed
    assert len(views(server)) >= 8
    bare = ask(server, "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''")
    assert bare == []


def test_a_view_has_every_fact_once_and_no_void(analysed: tuple[ClickHouse, Facts]) -> None:
    server, facts = analysed
    mine = {"param_workspace": ACME}
    for view, found in [("v_billing_sessions", facts.sessions), ("v_conversations", facts.conversations), ("v_taken_back_sessions", facts.taken_back)]:
        assert ask(server, f"SELECT count() FROM {view} WHERE workspace_id = {{workspace:String}}", **mine) == [[len(found)]]
    assert ask(server, "SELECT count() FROM billing_sessions WHERE workspace_id = {workspace:String}", **mine)[0][0] > len(facts.sessions)


@pytest.fixture
def local_analyst(analysed: tuple[ClickHouse, Facts]) -> ClickHouse:
    server, _ = analysed
    try:
        ask(server, "SELECT 1", user="analyst")
    except urllib.error.HTTPError:
        pytest.skip("this server is not the local one: its analyst is made by access.sql")
    return server


def test_the_analyst_of_the_local_stack_reads(local_analyst: ClickHouse) -> None:
    assert ask(local_analyst, "SELECT count() > 0 FROM v_billing_sessions", "POST", "analyst") == [[1]]
    assert ask(local_analyst, "SELECT 1 SETTINGS max_threads = 1", "POST", "analyst") == [[1]]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO billing_sessions SELECT * FROM billing_sessions",
        "INSERT INTO billing_sessions FORMAT JSONEachRow {}",
        "ALTER TABLE billing_sessions DELETE WHERE true",
        "TRUNCATE TABLE billing_sessions",
        "DROP VIEW v_billing_sessions",
        "CREATE TABLE mine (x Int8) ENGINE = Memory",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "OPTIMIZE TABLE billing_sessions FINAL",
        "SYSTEM FLUSH LOGS",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    ],
)
def test_the_analyst_of_the_local_stack_changes_nothing_and_reaches_nothing_else(local_analyst: ClickHouse, text: str) -> None:
    before = ask(local_analyst, "SELECT count() FROM billing_sessions")
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(local_analyst, text, "POST", "analyst")
    assert re.search(rb"Code: (164|497|62|291)\.", refused.value.read())
    assert ask(local_analyst, "SELECT count() FROM billing_sessions") == before

"""The whole way on the real parts: simulated events through Kafka, Faust and ClickHouse equal `quarterhour meter` on the same events, fact by fact."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.events import topics
from services.local.find import stack_settings
from services.runtime import clickhouse

PORT_BASE = 27300
TABLES = {
    topics.SESSIONS: "billing_sessions", topics.EPISODES: "conversations", topics.PEAKS: "seat_peaks",
    topics.LOGINS: "agent_logins", topics.ASSIGNMENTS: "agent_assignments",
}  # fmt: skip


def quarterhour(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "services.cli", *arguments], check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("stack")
    quarterhour("up", "--detach", "--data-dir", str(home), "--port-base", str(PORT_BASE), "--processors", "2")
    yield home
    quarterhour("down", "--data-dir", str(home))


@pytest.mark.timeout(600)
def test_clickhouse_holds_what_meter_computes_from_the_same_noisy_events_with_two_processors(stack: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    quarterhour("simulate", "--days", "3", "--seed", "7", "--noise", "--start", "2026-03-01T00:00:00Z", "--out", str(events))
    expected = [json.loads(line) for line in quarterhour("meter", str(events)).splitlines()]

    quarterhour("emit", str(events), "--data-dir", str(stack))
    quarterhour("wait", "--close", "--timeout", "240", "--data-dir", str(stack))

    for topic, table in TABLES.items():
        of_meter = {next(iter(list(fact.values())[1:2])): fact for fact in expected if fact["topic"] == topic}
        assert stored(stack, table) == {ident: comparable(fact) for ident, fact in of_meter.items()}, topic
        assert of_meter, topic


def stored(stack: Path, table: str) -> dict[str, dict[str, Any]]:
    client = clickhouse.connect(stack_settings(stack).clickhouse)
    answer = client.query(f"SELECT * FROM {table} FINAL WHERE status != 'void'")
    rows = [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]
    return {str(row[answer.column_names[0]]): comparable(row) for row in rows}


def comparable(fact: dict[str, Any]) -> dict[str, Any]:
    """Without topic and revision; instants as their text."""
    return {name: text(value) for name, value in fact.items() if name not in ("topic", "revision")}


def text(value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z" if hasattr(value, "strftime") else value

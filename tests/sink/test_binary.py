"""The compiled wire form: ClickHouse reads from it what it reads from Arrow, and what is no fact is left to Python."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.events import topics
from services.native import load
from services.sink import clickhouse_store
from services.sink.arrow import arrow_stream
from services.sink.clickhouse_store import ClickHouseStore, row_binary
from services.sink.rows import TABLES, Facts, Unreadable
from tests.sink.made_up import one_of_each
from tests.sink.stage import Stage
from tests.sink.test_rows import encoded

pytestmark = pytest.mark.skipif(load() is None, reason="the compiled twin is not built: `make native`")

EDGES: dict[type, list[Any]] = {
    str: ["", "x" * 127, "y" * 128, "é😀" * 5_000, 'q"\\/\b\f\n\r\t\x00\x1f\x7f', "2026"],
    int: [0, 1, 2**31 - 1],
}


def variants(topic: str) -> list[dict[str, Any]]:
    """The fact with each of its fields at its edges."""
    fact = one_of_each()[topic]
    key = next(iter(fact))
    found = [fact]
    for name, kind in TABLES[topic].columns.items():
        if name in ("workspace_id", "status"):
            continue
        values: list[Any] = EDGES[int] if "Int" in kind and "Map" not in kind else []
        if "String" in kind and "(" not in kind.removeprefix("LowCardinality(String)"):
            values = EDGES[str]
        elif kind.startswith("Array"):
            values = [[], EDGES[str], ["a"] * 200]
        elif kind.startswith("Map"):
            values = [{}, {"future": 2**64 - 1, "too_late": 0}]
        elif "DateTime64" in kind:
            values = ["1969-12-31T23:59:59.999Z", "2024-02-29T12:34:56.789Z", "2199-12-31T23:59:59.999Z"] + ([None] if "Nullable" in kind else [])
        found += [fact | {name: value} for value in values]
    return [each | {key: f"{number}-{each[key]}", "revision": 2**63 + number} for number, each in enumerate(found)]


def written(topic: str, fact: dict[str, Any]) -> bytes:
    """As we publish it."""
    return json.dumps({name: fact[name] for name in TABLES[topic].columns}, ensure_ascii=False).encode()


@pytest.mark.parametrize("topic", topics.FACT_TOPICS)
def test_clickhouse_reads_the_same_rows_from_both_forms(stage: Stage, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TABLES[topic]
    facts = [written(topic, fact) for fact in variants(topic)]
    assert row_binary(table, Facts(topic, facts)) is not None
    store = ClickHouseStore(stage.settings.clickhouse)
    read = []
    for form in (row_binary, lambda *_: None):
        monkeypatch.setattr(clickhouse_store, "row_binary", form)
        stage.client.command(f"TRUNCATE TABLE {table.name}")
        store.insert(table, Facts(topic, facts))
        read.append(sorted(map(repr, stage.rows(f"SELECT * FROM {table.name} FINAL"))))
    store.close()
    assert read[0] == read[1]
    assert len(read[0]) > 1


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"{}", b"null", b'{"seat_peak_id":"x"}', b"\xff"], ids=repr)
def test_what_is_no_fact_is_left_to_python(value: bytes | None) -> None:
    good = written(topics.PEAKS, one_of_each()[topics.PEAKS])
    assert row_binary(TABLES[topics.PEAKS], Facts(topics.PEAKS, [good])) is not None
    assert row_binary(TABLES[topics.PEAKS], Facts(topics.PEAKS, [good, value])) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": None}, {"start": "2026-01-31T23:50:00Z"}, {"start": "2026-02-30T23:50:00.000Z"}, {"end": "2026-01-31T23:50:00.00xZ"}, {"start": 0},
        {"revision": -1}, {"revision": 2**64}, {"revision": 1.5}, {"revision": "1"}, {"app_id": None}, {"app_id": "\ud800"}, {"more": 1},
    ],
)  # fmt: skip
def test_what_python_refuses_is_refused(wrong: dict[str, object]) -> None:
    facts = Facts(topics.SESSIONS, [encoded(one_of_each()[topics.SESSIONS] | wrong)])
    assert row_binary(TABLES[topics.SESSIONS], facts) is None
    with pytest.raises(Unreadable):
        arrow_stream(TABLES[topics.SESSIONS], facts)

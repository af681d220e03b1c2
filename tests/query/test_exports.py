"""Exports: records are counted in whatever chunks they come, and the manifest tells what a whole file holds."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Generator
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.query import export_statements
from services.query.days import Days, page_windows, spans, windows
from services.query.export_statements import PIECE_ROWS, pieces
from services.query.exports import CsvMeter, stream
from services.query.statement import Statement
from services.runtime.errors import Unavailable
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, ms, session

MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-04-01"}
EXPORT = "/v1/usage/sessions.csv"


@given(
    rows=st.lists(st.lists(st.text('ab"\n\r,', max_size=6), min_size=1, max_size=3), max_size=20),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_records_are_counted_in_whatever_chunks_they_come(rows: list[list[str]], cuts: list[int]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    whole, meter = out.getvalue().encode(), CsvMeter()
    edges = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    for start, end in pairwise(edges):
        meter.feed(whole[start:end])
    assert (meter.records, meter.bytes, meter.sha256) == (len(rows), len(whole), sha256(whole).hexdigest())


def test_the_manifest_is_that_of_the_file(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-02T10:{minute:02}", channel_user_id='a "b"\nc') for minute in range(60)))
    response = api.get(EXPORT, **MARCH, timezone="Asia/Kolkata", channel="web")
    manifest = api.ok(f"/v1/usage/exports/{response.headers['x-export-id']}")
    body = response.content
    assert (manifest["state"], manifest["rows"], manifest["bytes"], manifest["sha256"]) == ("complete", 60, len(body), sha256(body).hexdigest())
    assert (manifest["filters"], manifest["range"]["timezone"], manifest["as_of"][:19]) == ({"channel": ["web"]}, "Asia/Kolkata", "2026-03-15T17:30:00")
    assert response.headers["x-expected-rows"] == "60"
    assert response.headers["link"] == f'</v1/usage/exports/{manifest["export_id"]}>; rel="describedby"'


def test_the_manifest_is_seen_by_who_may_see_the_file(api: Api, clickhouse: ClickHouse) -> None:
    of_all, of_a = api.get(EXPORT, **MARCH), api.get(EXPORT, key=api.new_key(apps=("a",)), **MARCH)
    pages = [f"/v1/usage/exports/{response.headers['x-export-id']}" for response in (of_all, of_a)]
    keys = [api.key, api.new_key(apps=("a",)), api.new_key(apps=("b",)), api.new_key("w-of-others")]
    assert [[api.get(page, key=key).status_code for key in keys] for page in pages] == [[200, 404, 404, 404], [200, 200, 404, 404]]
    assert api.get(pages[0], key=api.new_key(scopes=("read",))).status_code == 403


def test_the_list_as_csv_is_the_export_and_needs_its_scope(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("billing_sessions", *(session(api.workspace, f"2026-03-02T10:{minute:02}") for minute in range(5)))
    listed = api.get("/v1/usage/sessions", **MARCH, format="csv", limit=2)
    assert listed.text == api.get(EXPORT, **MARCH).text
    assert api.get("/v1/usage/sessions", key=api.new_key(scopes=("read",)), format="csv", **MARCH).status_code == 403


def test_sessions_of_one_conversation_stand_together_by_its_start(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    facts = [session(w, f"2026-03-02T10:{start:02}", t0="2026-03-02T10:00", conversation_id="long") for start in (30, 0, 15)]
    clickhouse.put("billing_sessions", *facts, session(w, "2026-03-02T10:07", conversation_id="short"), session(w, "2026-03-01T00:00", t0="2026-02-27T23:00"))
    rows = list(csv.DictReader(io.StringIO(api.get(EXPORT, **MARCH).text)))
    assert [row["Billing Session Start Date Time"][8:16] for row in rows] == ["01T00:00", "02T10:00", "02T10:15", "02T10:30", "02T10:07"]


class Breaks:
    """A reader whose second statement breaks off."""

    def rows(self, _statement: Statement) -> Any: ...
    def check(self) -> None: ...

    def stream(self, statement: Statement) -> Any:
        yield b'"title"\n"1"\n'
        if statement.text == "broken":
            raise Unavailable("gone")


def test_a_stream_that_breaks_raises_and_its_manifest_is_not_complete() -> None:
    states: list[str] = []
    chunks = stream(Breaks(), [Statement("whole", {}), Statement("broken", {})], CsvMeter(), states.append)
    with pytest.raises(Unavailable):
        list(chunks)
    assert states == ["broken"]


def test_a_stream_that_nobody_reads_to_its_end_is_broken_and_one_that_ends_is_complete() -> None:
    states: list[str] = []
    chunks = stream(Breaks(), [Statement("whole", {})], CsvMeter(), states.append)
    next(chunks)
    assert isinstance(chunks, Generator)
    chunks.close()
    list(stream(Breaks(), [Statement("whole", {})], CsvMeter(), states.append))
    assert states == ["broken", "complete"]


class Watched:
    """A reader that tells which statements are open."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.has_second = threading.Event()

    def rows(self, _statement: Statement) -> Any: ...

    def stream(self, statement: Statement) -> Any:
        self.begun.append(statement.text)
        if len(self.begun) == 2:
            self.has_second.set()
        try:
            yield statement.text.encode()
            yield b"."
        finally:
            self.ended.append(statement.text)


def test_one_statement_is_under_way_while_the_one_before_is_sent_and_none_when_nobody_reads() -> None:
    reader = Watched()
    chunks = stream(reader, [Statement(name, {}) for name in "abc"], CsvMeter(), lambda _state: None)
    assert next(chunks) == b"a"
    assert reader.has_second.wait(10)
    assert isinstance(chunks, Generator)
    chunks.close()
    assert (reader.begun, sorted(reader.ended)) == (["a", "b"], ["a", "b"])

    whole = Watched()
    assert b"".join(stream(whole, [Statement(name, {}) for name in "abc"], CsvMeter(), lambda _state: None)) == b"a.b.c."
    assert whole.begun == whole.ended == ["a", "b", "c"]


def test_a_busy_day_is_cut_into_pieces_that_meet() -> None:
    parts = list(pieces({"2026-03-02": PIECE_ROWS * 2 + 1}, ["2026-03-01", "2026-03-02"]))
    assert [part.days for part in parts] == [("2026-03-01",), ("2026-03-02",), ("2026-03-02",), ("2026-03-02",)]
    edges = [(part.from_ms, part.to_ms) for part in parts]
    assert edges[0][0] == ms("2026-03-01")
    assert edges[-1][1] == ms("2026-03-03")
    assert all(before[1] == after[0] for before, after in pairwise(edges))


def test_quiet_days_are_read_together_while_they_are_small_and_busy_ones_alone() -> None:
    half, days = PIECE_ROWS // 2, [f"2026-03-0{day}" for day in range(1, 8)]
    rows = dict(zip(days, [half, half, 1, PIECE_ROWS + 1, 0, half, half], strict=True))
    assert [part.days for part in pieces(rows, days)] == [tuple(days[:2]), (days[2],), (days[3],), (days[3],), tuple(days[4:])]


def test_a_file_of_many_pieces_is_the_list_in_order(api: Api, clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that start days after their conversation stand with it, whatever piece the range cuts."""
    w = api.workspace
    first = [session(w, f"2026-03-{day:02}T10:{minute:02}") for day in (1, 2, 5, 9, 10, 11) for minute in range(5)]
    later = [session(w, f"2026-03-{day:02}T09:00", t0="2026-03-02T10:02", conversation_id=first[7]["conversation_id"]) for day in (3, 9, 31)]
    clickhouse.put("billing_sessions", *first, *later)
    files = []
    for rows in (4, 7, 1000):
        monkeypatch.setattr(export_statements, "PIECE_ROWS", rows)
        files.append(api.get(EXPORT, **MARCH | {"from_": "2026-03-02"}).text)
    assert files[0] == files[1] == files[2]
    rows_of = list(csv.DictReader(io.StringIO(files[0])))
    assert [(row["Conversation Session Start Date Time"], row["Billing Session Start Date Time"]) for row in rows_of] == sorted(
        (row["Conversation Session Start Date Time"], row["Billing Session Start Date Time"]) for row in rows_of
    )
    assert len(rows_of) == 28


@given(
    counted=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 100_000)), max_size=6),
    uncounted=st.lists(st.integers(1, 9), max_size=2),
    first=st.integers(0, 9 * 86_400_000),
    length=st.integers(1, 9 * 86_400_000),
    descending=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_windows_are_the_range_without_gap_in_the_order_of_reading(
    counted: list[tuple[int, int]], uncounted: list[int], first: int, length: int, descending: bool
) -> None:
    days = Days(tuple((f"2026-03-0{day}", f"2026-03-0{day}", rows) for day, rows in counted), tuple(f"2026-03-0{day}" for day in uncounted))
    from_ms = ms("2026-03-01") + first
    found = list(windows(days, from_ms, from_ms + length, 101, descending=descending))
    if descending:
        found.reverse()
    assert (found[0][0], found[-1][1]) == (from_ms, from_ms + length)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(start < end for start, end in found)


@given(first=st.integers(0, 10**12), length=st.integers(1, 10**11), descending=st.booleans(), as_of=st.none() | st.integers(0, 10**12))
@settings(max_examples=100, deadline=None)
def test_spans_are_the_range_without_gap_in_the_order_of_reading(first: int, length: int, descending: bool, as_of: int | None) -> None:
    found = list(spans(first, first + length, descending=descending, as_of_ms=as_of))
    if descending:
        found.reverse()
    assert (found[0][0], found[-1][1]) == (first, first + length)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(start < end for start, end in found)


@given(first=st.integers(0, 10**10), length=st.integers(1, 10**10), descending=st.booleans(), as_of=st.none() | st.integers(0, 2 * 10**10))
@settings(max_examples=100, deadline=None)
def test_the_pieces_of_a_page_are_the_range_without_gap(first: int, length: int, descending: bool, as_of: int | None) -> None:
    def read(from_ms: int, to_ms: int) -> Days:
        return Days((), ("1970-01-02",))

    found = [window for _, window in page_windows(read, first, first + length, 101, descending=descending, as_of_ms=as_of)]
    if descending:
        found.reverse()
    assert (found[0][0], found[-1][1]) == (first, first + length)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(start < end for start, end in found)

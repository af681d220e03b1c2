"""Where the data of an INSERT begins, and what else HTTP has to know about a statement."""

from __future__ import annotations

import pytest

from services.local.clickhouse.statements import header_bytes, read_insert, read_statement


@pytest.mark.parametrize(
    ("text", "head", "format_name", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", "INSERT INTO t ", "Native", b"\x01\x02"),
        (b"insert into t (a, b) format CSV\r\n1,2", "insert into t (a, b) ", "CSV", b"1,2"),
        (b'INSERT INTO t FORMAT JSONEachRow {"a":1}', "INSERT INTO t ", "JSONEachRow", b'{"a":1}'),
        (b"INSERT INTO t VALUES (1),(2)", "INSERT INTO t ", "Values", b" (1),(2)"),
        (b"-- a comment; FORMAT CSV\nINSERT INTO t FORMAT TSV\n1", "-- a comment; FORMAT CSV\nINSERT INTO t ", "TSV", b"1"),
        (b"INSERT INTO `FORMAT x` (`values`) FORMAT TSV\n1", "INSERT INTO `FORMAT x` (`values`) ", "TSV", b"1"),
        (b"INSERT INTO t (format, values) FORMAT TSV\n1", "INSERT INTO t (format, values) ", "TSV", b"1"),
        (b"INSERT INTO t SETTINGS async_insert=0 FORMAT TSV\n\n1", "INSERT INTO t SETTINGS async_insert=0 ", "TSV", b"\n1"),
    ],
)
def test_the_data_of_an_insert_begins_behind_its_head(text: bytes, head: str, format_name: str, data: bytes) -> None:
    found = read_insert(text)
    assert found is not None
    assert (found.head, found.format, text[found.data_at :]) == (head, format_name, data)


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t WITH 1 AS x SELECT x",
        b"INSERT INTO t (a, b)",
        b"INSERT INTO t FORMAT",
        b"",
    ],
)
def test_a_statement_without_data_of_its_own_is_no_insert_with_data(text: bytes) -> None:
    assert read_insert(text) is None


@pytest.mark.parametrize(
    ("text", "format_name", "bare"),
    [
        (b"SELECT 1 FORMAT JSON", "JSON", "SELECT 1 "),
        (b"SELECT 1 FORMAT CSV SETTINGS max_threads = 1;", "CSV", "SELECT 1  SETTINGS max_threads = 1"),
        (b"SELECT 'x FORMAT CSV' FROM (SELECT 1 FORMAT TSV)", "", "SELECT 'x FORMAT CSV' FROM (SELECT 1 FORMAT TSV)"),
        (b"SELECT format FROM t", "", "SELECT format FROM t"),
        (b"SELECT 1 ; ", "", "SELECT 1"),
    ],
)
def test_a_format_counts_where_it_ends_the_statement(text: bytes, format_name: str, bare: str) -> None:
    found = read_statement(text)
    assert (found.format, found.bare, found.refusal) == (format_name, bare, "")


def test_two_statements_and_files_are_refused_and_semicolons_in_text_are_not() -> None:
    assert "Code: 62" in read_statement(b"SELECT 1; SELECT 2").refusal
    assert "OUTFILE" in read_statement(b"SELECT 1 INTO OUTFILE 'x'").refusal
    assert read_statement(b"SELECT ';', 'INTO OUTFILE' -- ; x\n;").refusal == ""


@pytest.mark.parametrize(
    ("format_name", "piece", "length"),
    [
        ("CSV", b"1,2\n", 0),
        ("CSVWithNames", b'"a\nb","c"\n1,2\n', 10),
        ("CSVWithNamesAndTypes", b'"a"\n"U"\n1\n', 8),
        ("TabSeparatedWithNames", b"a\tb\n1\t2\n", 4),
    ],
)
def test_the_header_of_a_piece_ends_with_its_last_record_of_names(format_name: str, piece: bytes, length: int) -> None:
    assert header_bytes(format_name, piece) == length

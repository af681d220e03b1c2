"""ClickHouse's HTTP interface as clients use it: where the query is, parameters, settings, formats, errors."""

from __future__ import annotations

import gzip
import json
import threading
import time
from typing import Any
from uuid import uuid4

import lz4.frame  # type: ignore[import-untyped]
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from services.local.clickhouse.codecs import decoder
from tests.local.clickhouse.server import Server


@pytest.fixture
def table(server: Server) -> str:
    name = f"t.t{uuid4().hex}"
    answer = server.ask(f"CREATE TABLE {name} (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    assert answer.status == 200, answer.text
    return name


def rows(server: Server, table: str) -> list[tuple[str, ...]]:
    return [tuple(line.split("\t")) for line in server.ask(f"SELECT * FROM {table} ORDER BY a").text.splitlines()]


def test_ping_and_root_say_ok(server: Server) -> None:
    assert server.ask(path="/ping").text == "Ok.\n"
    assert server.ask(path="/").text == "Ok.\n"
    assert server.ask(path="/nowhere").status == 404


def test_a_query_may_be_in_the_url_in_the_body_and_in_both(server: Server) -> None:
    assert server.ask("SELECT 1").text == "1\n"
    assert server.ask(query="SELECT 2").text == "2\n"
    assert server.ask("SELECT", body=b"3").text == "3\n"


@pytest.mark.parametrize("encoding", ["", "gzip", "lz4"])
def test_rows_go_in_with_the_query_in_the_url_and_in_the_body(server: Server, table: str, encoding: str) -> None:
    compress = {"": bytes, "gzip": gzip.compress, "lz4": lz4.frame.compress}[encoding]
    headers = {"Content-Encoding": encoding} if encoding else {}
    assert server.ask(f"INSERT INTO {table} FORMAT CSV", body=compress(b'1,"x"\n'), headers=headers).status == 200
    assert server.ask(body=compress(f'INSERT INTO {table} FORMAT CSV\n2,"y"\n'.encode()), headers=headers).status == 200
    assert server.ask(body=compress(f"INSERT INTO {table} VALUES (3, 'z')".encode()), headers=headers).status == 200
    assert rows(server, table) == [("1", "x"), ("2", "y"), ("3", "z")]


def test_an_insert_larger_than_one_read_says_how_many_rows_it_wrote(server: Server, table: str) -> None:
    body = b"".join(b"%d\t%s\n" % (number, b"x" * 100) for number in range(50_000))
    answer = server.ask(f"INSERT INTO {table} FORMAT TSV", body=body)
    assert json.loads(str(answer.headers["X-ClickHouse-Summary"]))["written_rows"] == "50000"
    assert server.ask(f"SELECT count(), sum(length(b)) FROM {table}").text == "50000\t5000000\n"


def test_a_compressed_body_that_breaks_off_is_an_error(server: Server, table: str) -> None:
    answer = server.ask(f"INSERT INTO {table} FORMAT TSV", body=lz4.frame.compress(b"1\tx\n" * 1000)[:-8], headers={"Content-Encoding": "lz4"})
    assert (answer.status, answer.code) == (400, "271")


def test_a_row_that_cannot_be_read_is_an_error_with_its_code(server: Server, table: str) -> None:
    answer = server.ask(f"INSERT INTO {table} FORMAT TSV", body=b"1\tx\nno number\ty\n")
    assert (answer.status, answer.code) == (400, "27")
    assert answer.text.startswith("Code: 27. DB::Exception: Cannot parse input")


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELEC 1", 400, "62"),
        ("SELECT * FROM t.nope", 404, "60"),
        ("SELECT nope FROM system.one", 404, "47"),
        ("SELECT throwIf(1)", 500, "395"),
        ("SELECT 1; SELECT 2", 400, "62"),
        ("SELECT * FROM file('/etc/hostname', 'LineAsString')", 403, "497"),
        ("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", 403, "497"),
        ("SELECT 1 INTO OUTFILE 'x'", 500, "1"),
    ],
)
def test_errors_have_clickhouses_status_code_and_words(server: Server, sql: str, status: int, code: str) -> None:
    answer = server.ask(sql)
    assert (answer.status, answer.code) == (status, code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_unknown_databases_and_settings_are_told(server: Server) -> None:
    assert server.ask("SELECT 1", database="nope").code == "81"
    assert server.ask("SELECT 1", nonsense="1").code == "115"
    sneaky: dict[str, Any] = {"max_threads = 1, readonly": "0"}
    assert server.ask("SELECT 1", **sneaky).code == "115"


def test_settings_and_the_database_hold_for_one_request(server: Server) -> None:
    sql = "SELECT currentDatabase(), getSetting('max_block_size')"
    assert server.ask(sql, database="t", max_block_size="7").text == "t\t7\n"
    assert server.ask(sql).text.startswith("default\t")
    server.ask("SET max_block_size = 9", session_id="s")
    assert server.ask(sql, session_id="s").text != "default\t9\n"


READ_ONLY: dict[str, Any] = {"readonly": "1", "database": "t", "max_block_size": "7"}


def test_requests_that_can_change_nothing_see_their_own_settings_and_no_others(server: Server) -> None:
    sql = "SELECT currentDatabase(), getSetting('max_block_size')"
    for _ in range(3):
        for size in ("7", "8"):
            assert server.ask(sql, **READ_ONLY | {"max_block_size": size}).text == f"t\t{size}\n"
        assert server.ask(sql, **READ_ONLY | {"database": "default"}).text == "default\t7\n"
        assert server.ask(sql).text.startswith("default\t")


def test_what_a_shared_session_is_asked_in_between_leaves_nothing_behind(server: Server, table: str) -> None:
    sql = "SELECT currentDatabase(), getSetting('max_block_size')"
    assert server.ask(sql, **READ_ONLY).text == "t\t7\n"
    for other in (
        "USE default",
        "SET max_block_size = 9",
        "SELECT throwIf(1)",
        "SELECT 1 SETTINGS max_block_size = 9",
        f"INSERT INTO {table} VALUES (1)",
        "SELEC",
    ):
        server.ask(other, **READ_ONLY)
    assert server.ask("CREATE TEMPORARY TABLE mine (n Int8)", **READ_ONLY).status != 200
    assert server.ask(sql, **READ_ONLY).text == "t\t7\n"


@pytest.mark.parametrize("value", ["it's", "tab\t, line\n, back\\slash \\N", "é😀", "", "'; DROP TABLE x --", "x" * 100_000])
def test_parameters_are_bound_by_the_server_whatever_they_hold(server: Server, value: str) -> None:
    assert server.client().query("SELECT {v:String}, {n:Array(Nullable(Int64))}", parameters={"v": value, "n": [1, None]}).result_rows == [(value, [1, None])]


def test_an_answer_in_many_pieces_is_one_document(server: Server) -> None:
    lines = server.ask("SELECT number FROM numbers(300000) FORMAT CSVWithNames").text.splitlines()
    assert lines == ['"number"', *map(str, range(300_000))]
    document = json.loads(server.ask("SELECT number FROM numbers(300000)", default_format="JSONCompact").body)
    assert document["rows"] == len(document["data"]) == 300_000


def test_no_rows_still_have_columns(server: Server) -> None:
    result = server.client().query("SELECT toLowCardinality('x') AS a, CAST(NULL AS Nullable(DateTime64(3, 'UTC'))) AS b, map('k', 1) AS c WHERE 0")
    assert (result.column_names, result.result_rows) == (("a", "b", "c"), [])
    assert server.ask("SELECT 1 AS a WHERE 0 FORMAT CSVWithNames").text == '"a"\n'


def test_an_error_after_many_rows_is_an_error_status_for_who_waits_and_breaks_off_a_stream(server: Server) -> None:
    sql = "SELECT number, throwIf(number = 900000) FROM numbers(1000000)"
    assert server.ask(sql, wait_end_of_query="1").code == "395"
    with pytest.raises(DatabaseError, match="395"):
        server.client().query(sql)
    with pytest.raises(StreamFailureError, match="395"), server.client().query_rows_stream(sql) as stream:
        for _ in stream:
            pass


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_answers_are_compressed_as_the_client_takes_them(server: Server, encoding: str) -> None:
    sql, headers = "SELECT number FROM numbers(200000)", {"Accept-Encoding": encoding}
    answer, plain = server.ask(sql, headers=headers), server.ask(sql, headers=headers, enable_http_compression="0")
    assert (answer.headers["Content-Encoding"], plain.headers["Content-Encoding"]) == (encoding, None)
    assert len(answer.body) < len(plain.body)
    assert decoder(encoding).feed(answer.body) == plain.body


def test_a_get_changes_nothing(server: Server, table: str) -> None:
    answer = server.ask(query=f"DROP TABLE {table}")
    assert answer.code == "164"
    assert rows(server, table) == []


def test_reads_go_on_while_rows_go_in(server: Server, table: str) -> None:
    body = b"".join(b"%d\t%s\n" % (number, b"x" * 50) for number in range(200_000))
    stop = threading.Event()

    def fill() -> None:
        while not stop.is_set():
            server.ask(f"INSERT INTO {table} FORMAT TSV", body=body)

    writers = [threading.Thread(target=fill) for _ in range(4)]
    for writer in writers:
        writer.start()
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        assert server.ask("SELECT 1").text == "1\n"
        took.append(time.perf_counter() - begun)
    stop.set()
    for writer in writers:
        writer.join()
    assert sorted(took)[10] < 1.0

"""An insert that is answered with success is written. The engine's stream of rows says "written" of those that it could not write: the server must not."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.local.clickhouse.server import Server

CASES = {
    "a constraint": ("CONSTRAINT c CHECK a < 5", "", "", "469"),
    "too many partitions": ("", "PARTITION BY a", "SETTINGS max_partitions_per_insert_block = 2", "252"),
    "too many parts": ("", "SETTINGS parts_to_throw_insert = 1, parts_to_delay_insert = 1", "", "252"),
}


@pytest.mark.parametrize(("columns", "table", "insert", "code"), CASES.values(), ids=CASES)
def test_an_insert_that_fails_when_it_is_written_is_answered_with_the_error(server: Server, columns: str, table: str, insert: str, code: str) -> None:
    name = f"t.t{uuid4().hex}"
    created = server.ask(f"CREATE TABLE {name} (a UInt64{', ' + columns if columns else ''}) ENGINE = MergeTree ORDER BY a {table}")
    assert created.status == 200, created.text
    answers = [server.ask(f"INSERT INTO {name} {insert} FORMAT TSV", body="".join(f"{a}\n" for a in range(1, 10)).encode()) for _ in range(2)]
    stored = int(server.ask(f"SELECT count() FROM {name}").text)
    assert stored == 9 * sum(answer.status == 200 for answer in answers)
    assert answers[-1].status == 500
    assert answers[-1].code == code
    assert f"Code: {code}. DB::Exception: " in answers[-1].text


def test_an_insert_that_is_written_is_answered_so_whatever_failed_before(server: Server) -> None:
    name = f"t.t{uuid4().hex}"
    server.ask(f"CREATE TABLE {name} (a UInt64, CONSTRAINT c CHECK a < 5) ENGINE = MergeTree ORDER BY a")
    for a, status in ((9, 500), (1, 200), (9, 500), (2, 200)):
        assert server.ask(f"INSERT INTO {name} FORMAT TSV", body=f"{a}\n".encode()).status == status
    assert server.ask(f"SELECT sum(a) FROM {name}").text == "3\n"


def test_each_of_several_failures_within_a_second_is_told_by_its_own_error(server: Server) -> None:
    constrained, parted = f"t.t{uuid4().hex}", f"t.t{uuid4().hex}"
    server.ask(f"CREATE TABLE {constrained} (a UInt64, CONSTRAINT c CHECK a < 5) ENGINE = MergeTree ORDER BY a")
    server.ask(f"CREATE TABLE {parted} (a UInt64) ENGINE = MergeTree ORDER BY a PARTITION BY a")
    inserts = [f"{constrained} FORMAT TSV", f"{parted} SETTINGS max_partitions_per_insert_block = 2 FORMAT TSV"] * 10
    assert [server.ask(f"INSERT INTO {insert}", body=b"7\n8\n9\n").code for insert in inserts] == ["469", "252"] * 10

"""A million rows there and back through clickhouse-connect, with its default compression, with zstd and with none; every value is compared."""

from __future__ import annotations

import pytest

from tests.local.clickhouse.server import Server

ROWS = 1_000_000
BASE_MS = 1_767_225_600_000
TYPES = {
    "id": "String",
    "revision": "UInt64",
    "status": "LowCardinality(String)",
    "start": "DateTime64(3, 'UTC')",
    "end": "Nullable(DateTime64(3, 'UTC'))",
    "app_ids": "Array(String)",
    "rejected": "Map(String, UInt64)",
}


@pytest.fixture(scope="module")
def columns() -> dict[str, list[object]]:
    numbers = range(ROWS)
    return {
        "id": [f"{number:032x}" for number in numbers],
        "revision": [2**48 + number for number in numbers],
        "status": ["void" if number % 7 == 0 else "closed" for number in numbers],
        "start": [BASE_MS + number * 1001 for number in numbers],
        "end": [None if number % 3 == 0 else BASE_MS + number for number in numbers],
        "app_ids": [["é" * (number % 5), "b"][: number % 3] for number in numbers],
        "rejected": [{"future": number} if number % 5 == 0 else {} for number in numbers],
    }


@pytest.mark.parametrize("compression", [True, "zstd", False], ids=["default", "zstd", "none"])
def test_a_million_rows_come_back_as_they_went_in(server: Server, columns: dict[str, list[object]], compression: bool | str) -> None:
    client = server.client(compress=compression, database="t")
    client.command("DROP TABLE IF EXISTS million")
    client.command(f"CREATE TABLE million ({', '.join(f'{name} {kind}' for name, kind in TYPES.items())}) ENGINE = MergeTree ORDER BY id")
    done = client.insert("million", list(columns.values()), list(TYPES), column_type_names=list(TYPES.values()), column_oriented=True)
    assert done.written_rows == ROWS
    instants = {"start": "toUnixTimestamp64Milli(start)", "end": "toUnixTimestamp64Milli(end)"}
    got = client.query(f"SELECT {', '.join(instants.get(name, name) for name in TYPES)} FROM million ORDER BY id").result_columns
    for name, column in zip(TYPES, got, strict=True):
        assert list(column) == columns[name], name

"""The reader of ClickHouse: limits, and errors in our own words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.accounts.keys import Principal
from services.query.reader import ClickHouseReaders, TooExpensive
from services.query.statement import Reader, Statement
from services.runtime.errors import Unavailable
from services.runtime.settings import Settings


@pytest.fixture
def reader(settings: Settings) -> Iterator[Reader]:
    made = ClickHouseReaders(settings.model_copy(update={"query": settings.query.model_copy(update={"read_s_max": 1, "export_s_max": 1})}))
    yield made.of(Principal("acme", "0" * 12, frozenset()))
    made.close()


def test_a_statement_that_takes_too_long_is_too_expensive(reader: Reader) -> None:
    with pytest.raises(TooExpensive):
        reader.rows(Statement("SELECT sum(sleepEachRow(0.1)) FROM numbers(100)", {}, {"max_block_size": 1}))


def test_an_export_that_takes_too_long_raises_and_never_passes_on_what_clickhouse_says(reader: Reader) -> None:
    slow = Statement("SELECT number, sleepEachRow(0.05) FROM numbers(1000) FORMAT CSV", {}, {"max_block_size": 1})
    got: list[bytes] = []
    with pytest.raises((Unavailable, TooExpensive)):
        got.extend(reader.stream(slow))
    assert b"xception" not in b"".join(got)


def test_a_statement_that_fails_at_once_raises_before_the_first_byte(reader: Reader) -> None:
    with pytest.raises(Unavailable):
        next(reader.stream(Statement("SELECT * FROM no_such_table FORMAT CSV", {})), None)

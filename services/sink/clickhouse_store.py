"""Inserts over HTTP: as RowBinary by the compiled part where it was built, else as Arrow streams.

RowBinary took 6 to 8 µs of our processor time a fact where Arrow took 13 to 16, reading from Kafka included (tests/bench, runs of one day).

Rule: whatever the server answers other than success is `StoreAway`: a fact is never dropped because ClickHouse refuses it, it waits for a human.
"""

from __future__ import annotations

from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from services.native import load
from services.runtime.clickhouse import ANSWER_S, connect
from services.runtime.errors import Unavailable
from services.runtime.settings import ClickHouseSettings
from services.sink.arrow import arrow_stream
from services.sink.rows import Facts, Table
from services.sink.store import StoreAway

_UNKNOWN_TABLE: Final = ("60", "81")
ANSWER_S_FIRST: Final = 15
"""An insert takes a second. A server that has forgotten our connection never answers, and two minutes would be lost on it (measured);
one that is merely slow gets twice the time with each try."""
_INSERT_SETTINGS: Final = {
    # History comes with many months in one insert; the default of 100 partitions would refuse it for ever.
    "max_partitions_per_insert_block": 0,
    # The answer must mean that the rows are durable.
    "async_insert": 0,
}


class ClickHouseStore:
    """Connects at the first insert, and again after a failure."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._answer_s = ANSWER_S_FIRST

    def insert(self, table: Table, facts: Facts) -> None:
        rows = row_binary(table, facts)
        body, form = (arrow_stream(table, facts), "ArrowStream") if rows is None else (rows, "RowBinary")
        try:
            if self._client is None:
                self._client = connect(self._settings, answer_s=self._answer_s)
            self._client.raw_insert(table.name, list(table.columns), body, _INSERT_SETTINGS, form)
            self._answer_s = ANSWER_S_FIRST
        except Unavailable as error:
            self._answer_s = min(2 * self._answer_s, ANSWER_S)
            raise StoreAway(str(error)) from error
        except (DatabaseError, OperationalError) as error:
            self._answer_s = min(2 * self._answer_s, ANSWER_S)
            self.close()
            advice = " Run `quarterhour migrate`." if str(error.code) in _UNKNOWN_TABLE else ""
            raise StoreAway(f"{str(error).splitlines()[0][:500]}{advice}") from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def row_binary(table: Table, facts: Facts) -> bytes | None:
    """The facts in the other wire form; None: the compiled part is not there, or it leaves one of them to Python, which knows what is wrong with it."""
    native = load()
    if native is None:
        return None
    found: bytes | None = native.row_binary(list(facts.values), list(table.columns.items()))
    return found

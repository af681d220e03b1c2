"""Columnar inserts over HTTP, as Arrow streams.

Rule: whatever the server answers other than success is `StoreAway`: a fact is never dropped because ClickHouse refuses it, it waits for a human.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from services.runtime.clickhouse import ANSWER_S, connect
from services.runtime.errors import Unavailable
from services.runtime.settings import ClickHouseSettings
from services.sink.arrow import arrow_stream
from services.sink.rows import Columns, Table
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

    def insert(self, table: Table, rows: Iterable[Columns]) -> None:
        stream = arrow_stream(table, rows)
        try:
            if self._client is None:
                self._client = connect(self._settings, answer_s=self._answer_s)
            self._client.raw_insert(table.name, list(table.columns), stream, _INSERT_SETTINGS, "ArrowStream")
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

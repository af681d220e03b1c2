"""What ClickHouse holds: the newest revision of every fact of a table, read apart from every index and every cache of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.cli.proof.facts import Scope, start_field
from services.events.topics import LEDGER
from services.runtime.errors import Unavailable
from services.sink.rows import TABLES, Row, read_row

PART_ROWS: Final = 100_000
IDS_MAX: Final = 1_000
_SETTINGS: Final = {
    # As our JSON writes instants and numbers.
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    # FINAL over all rows, not over those that an index lets through.
    "use_skip_indexes_if_final": 0,
}


class Stored:
    """The tables of the facts."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def rows(self, topic: str, scope: Scope) -> Iterator[Row]:
        """Every fact of the topic's table in the scope, voids too, part by part."""
        where, bound = _condition(topic, scope)
        table = TABLES[topic]
        ident = next(iter(table.columns))
        total = int(self._ask(f"SELECT count() FROM {table.name} FINAL WHERE {where} FORMAT TSV", bound))
        parts = total // PART_ROWS + 1
        for part in range(parts):
            yield from self._select(topic, f"{where} AND cityHash64({ident}) % {parts} = {part}", bound)

    def some(self, topic: str, ids: Iterable[str]) -> dict[str, Row]:
        """The facts with these ids, by id."""
        ident = next(iter(TABLES[topic].columns))
        wanted = list(ids)
        found: dict[str, Row] = {}
        for first in range(0, len(wanted), IDS_MAX):
            rows = self._select(topic, f"has({{ids:Array(String)}}, {ident})", {"ids": wanted[first : first + IDS_MAX]})
            found |= {str(getattr(row, ident)): row for row in rows}
        return found

    def _select(self, topic: str, where: str, bound: dict[str, Any]) -> Iterator[Row]:
        table = TABLES[topic]
        body = self._ask(f"SELECT {', '.join(table.columns)} FROM {table.name} FINAL WHERE {where} FORMAT JSONEachRow", bound)
        return (read_row(topic, line) for line in body.splitlines())

    def _ask(self, statement: str, bound: dict[str, Any]) -> bytes:
        try:
            return bytes(self._client.raw_query(statement, parameters=bound, settings=_SETTINGS))
        except ClickHouseError as error:
            raise Unavailable(f"ClickHouse does not answer: {str(error).splitlines()[0][:300]} Is it running? `quarterhour status` tells.") from error


def _condition(topic: str, scope: Scope) -> tuple[str, dict[str, Any]]:
    conditions: list[str] = ["1"]
    bound: dict[str, Any] = {}
    if scope.workspace is not None:
        conditions.append("workspace_id = {workspace:String}")
        bound["workspace"] = scope.workspace
    if topic in _RANGED:
        for name, sign, at_ms in (("from_ms", ">=", scope.from_ms), ("to_ms", "<", scope.to_ms)):
            if at_ms is not None:
                conditions.append(f"toUnixTimestamp64Milli({start_field(topic)}) {sign} {{{name}:Int64}}")
                bound[name] = at_ms
    return " AND ".join(conditions), bound


_RANGED: Final = frozenset(TABLES) - {LEDGER}

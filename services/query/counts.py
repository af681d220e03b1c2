"""The counts by quarter (sql/clickhouse/0003_counts.sql) as trends read them: a number for each piece of a UTC day between two edges of buckets. Pure.

ClickHouse sends columns, days and their numbers of each kind and key, and the reader puts them into buckets: where ClickHouse found the bucket of every
piece and summed them, the trend of six months by app took it 22 ms of processor time in UTC, and 48 in a zone whose days begin at another hour; so it is 11
and 20 (10 million sessions, 2 cores). Within a range the edges lie at few times of the day: at one for days of a zone, at two where its clock changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from services.events.times import DAY_MS
from services.query.statement import FROM, TO, Statement, scope_parameters, scope_sql
from services.query.trend_statements import QUARTER_MS, TrendQuestion, channels_sql, key_sql, kinds_sql

_QUARTERS: Final = DAY_MS // QUARTER_MS


def counts_statement(question: TrendQuestion) -> Statement:
    """Rows (series, key, UTC days since 1970, and for each piece of a day how many start in it on each of these days), of counted days of t0; from the cut
    with the fewest rows that can tell. A day comes once for each t0 that its sessions have."""
    by_app = bool(question.scope.app_ids) or question.group_by == "app"
    by_channel = bool(question.channels) or question.group_by == "channel"
    cut = {(False, False): "all", (True, False): "app", (False, True): "channel", (True, True): "app+channel"}[by_app, by_channel]
    valid = " AND t0_day NOT IN {uncounted:Array(Date)}" if question.uncounted_days else ""
    text = f"""SELECT CAST(kind, 'String') AS series, {key_sql(question)} AS key, groupArray(toUInt16(start_day)),
    {", ".join(f"groupArray({number})" for number in _numbers(_starts(question.edges_ms)))}
FROM usage_counts FINAL
WHERE {scope_sql(question.scope)} AND cut = '{cut}' AND start_day >= toDate({FROM}) AND start_day <= toDate({TO}) AND total > 0{valid}
    {kinds_sql(question, "kind")}{channels_sql(question)}
GROUP BY series, key"""
    bounds = {"from": question.edges_ms[0], "to": question.edges_ms[-1]}
    return Statement(text, scope_parameters(question.scope) | bounds | question.lists)


def count_rows(question: TrendQuestion, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, str, int, int, int]]:
    """Those of `counts_statement` as rows of a trend, one for each bucket that holds anything."""
    places = [_Places(question.edges_ms, start * QUARTER_MS) for start in _starts(question.edges_ms)]
    for series, key, days, *columns in rows:
        sums: defaultdict[int, int] = defaultdict(int)
        for place, column in zip(places, columns, strict=True):
            for bucket_ms, number in zip(map(place.__getitem__, days), column, strict=True):
                if number:
                    sums[bucket_ms] += number
        sums.pop(_OUTSIDE, None)
        yield from ((series, key, bucket_ms, value, 0) for bucket_ms, value in sums.items())


def _starts(edges_ms: Sequence[int]) -> list[int]:
    """The quarters of a UTC day at which its pieces begin: the first one, and those at which a bucket can."""
    return sorted({0, *(edge_ms % DAY_MS // QUARTER_MS for edge_ms in edges_ms)})


def _numbers(starts: Sequence[int]) -> list[str]:
    """How many start in each piece. The numbers in these texts are ours, of 96."""
    if len(starts) == 1:
        return ["total"]
    return [f"arraySum(arraySlice(counts, {first + 1}, {end - first}))" for first, end in pairwise((*starts, _QUARTERS))]


_OUTSIDE: Final = -1
"""No instant of a range (`periods.FIRST_MS`)."""


class _Places(dict[int, int]):
    """UTC day since 1970 → the start of the bucket that holds the piece which begins `offset_ms` after its midnight, or `_OUTSIDE`."""

    def __init__(self, edges_ms: Sequence[int], offset_ms: int) -> None:
        super().__init__()
        self._edges_ms, self._offset_ms = edges_ms, offset_ms

    def __missing__(self, day: int) -> int:
        place = bisect_right(self._edges_ms, day * DAY_MS + self._offset_ms)
        found = self[day] = self._edges_ms[place - 1] if 0 < place < len(self._edges_ms) else _OUTSIDE
        return found

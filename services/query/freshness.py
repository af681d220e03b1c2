"""How far the numbers reach: the watermark of the metering, the first fact, and what is still open (T2, U8, S7).

Rule: `as_of` is what the processors last wrote into the ledger, never a clock: the least watermark of the newest generation's lines, and none while one of
them has none. A number of a bucket that ends before it can only be changed by an event that is late (T3).
Limit: the ledger is written every 5 s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from services.events.times import format_ms
from services.query.counter import SETTLE_S
from services.query.side_by_side import rows_of_each
from services.query.statement import WORKSPACE, Reader, Row, Scope, Statement, logins_sql, scope_parameters, scope_sql

BucketState = Literal["no_data", "closed", "open", "ahead"]
Liveness = Literal["live", "late", "nothing"]

LATE_MS: Final = 5 * 60_000
"""The watermark is a minute behind by design (T2), and the ledger tells of it every few seconds."""


@dataclass(frozen=True, slots=True)
class Reach:
    """From the first fact of the scope (even one taken back) to the watermark, in milliseconds; none: there is none."""

    since_ms: int | None
    as_of_ms: int | None
    assigned_apps: frozenset[str] = frozenset()
    """The apps of the scope that ever had an assignment (S5)."""
    uncounted_days: tuple[str, ...] = ()
    """UTC days of t0 whose facts may have changed since they were counted (sql/clickhouse/0003_counts.sql)."""
    counted_days: frozenset[tuple[str, int]] = frozenset()
    """The others, each with when its count began: which counts there are."""
    has_agents: bool = True
    """Whether there is a login, an assignment or a peak, even one taken back; without them every seat is zero."""

    def uncounted_until(self, to_ms: int) -> tuple[str, ...]:
        """Those that a range which ends there can depend on: no session starts before its t0."""
        last_day = format_ms(to_ms - 1)[:10]
        return tuple(day for day in self.uncounted_days if day <= last_day)

    def known_ms(self, now_ms: int) -> int:
        """Up to where a presence that has not ended is known to last."""
        return now_ms if self.as_of_ms is None else min(now_ms, self.as_of_ms)

    def state(self, start_ms: int, end_ms: int) -> BucketState:
        """Of the bucket [start_ms, end_ms). P1: the watermark passes an instant when it is greater."""
        if self.since_ms is None or end_ms <= self.since_ms:
            return "no_data"
        if self.as_of_ms is None or start_ms <= self.as_of_ms <= end_ms:
            return "open"
        return "closed" if end_ms < self.as_of_ms else "ahead"


def liveness(as_of_ms: int | None, now_ms: int) -> Liveness:
    if as_of_ms is None:
        return "nothing"
    return "live" if now_ms - as_of_ms <= LATE_MS else "late"


def read_reach(reader: Reader, scope: Scope, *, only_watermark: bool = False) -> Reach:
    """`only_watermark`: without `since_ms`, `assigned_apps` and `has_agents`, which cost as much again."""
    statements = [watermark_statement(scope)] if only_watermark else reach_statements(scope)
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for what, *row in chain(*rows_of_each(reader, statements)):
        found[what].append(tuple(row))
    firsts_ms = {what: [first_ms for _, _, first_ms in found[what] if first_ms is not None] for what in _FIRSTS}
    return Reach(
        min(chain(*firsts_ms.values()), default=None),
        _watermark_ms(found["line"]),
        frozenset(app_id for app_id, lasting, _ in found["assigned app"] if lasting),
        tuple(sorted(day for day, counted_us, _ in found["day"] if not counted_us)),
        frozenset((day, counted_us) for day, counted_us, _ in found["day"] if counted_us),
        only_watermark or any(firsts_ms[what] for what in _OF_AGENTS),
    )


def _watermark_ms(lines: Sequence[Row]) -> int | None:
    """Of the newest generation: its least, none while a line has none."""
    newest = max((generation for _, generation, _ in lines), default=0)
    marks_ms = [mark_ms for _, generation, mark_ms in lines if generation == newest]
    return None if None in marks_ms else min(marks_ms, default=None)


def watermark_statement(scope: Scope) -> Statement:
    """Rows (what, name, number, at_ms) of the processors' lines (generation, watermark) and of the workspace's days (when the count began, in microseconds;
    0: it is not counted).

    They are put together by who reads them: to understand one more aggregate takes ClickHouse longer than to send them."""
    return _fused(scope, [_LINES, _DAYS])


def reach_statements(scope: Scope) -> list[Statement]:
    """To be asked side by side; the rows of `watermark_statement`, and the first instant of each of _FIRSTS, none where there is none. Each app with an
    assignment has a row: how many of its assignments count.

    Of a whole workspace the first day is known, and no other is read; and its peaks are there for all of its apps."""
    mine = scope_sql(scope)
    together = "" if scope.app_ids else " AND app_id = ''"
    sessions_day, conversations_day = ("" if scope.app_ids else f" AND toDate({t0}) = {_FIRST_DAY}" for t0 in ("conversation_start", "start"))
    of_agents = [_first("login", "start", f"agent_logins WHERE {logins_sql(scope)}"), _first("peak", "quarter", f"seat_peaks WHERE {mine}{together}")]
    others = [
        _first("session", "conversation_start", f"billing_sessions WHERE {mine}{sessions_day}"),
        _first("conversation", "start", f"conversations WHERE {mine}{conversations_day}"),
        f"SELECT 'assigned app' AS what, app_id AS name, countIf(status = 'closed') AS number, {_MIN.format('start')} AS at_ms\n"
        f"FROM agent_assignments FINAL WHERE {mine} GROUP BY app_id",
    ]
    return [_fused(scope, [_LINES, _DAYS, *of_agents]), _fused(scope, others)]


_FIRST_DAY: Final = f"(SELECT min(day) FROM usage_days WHERE {WORKSPACE})"
_MIN: Final = "toUnixTimestamp64Milli(minOrNull({}))"
_FIRSTS: Final = ("session", "conversation", "login", "assigned app", "peak")
_OF_AGENTS: Final = ("login", "assigned app", "peak")
_LINES: Final = """SELECT 'line' AS what, '' AS name, toInt64(bitShiftRight(revision, 48)) AS number, toUnixTimestamp64Milli(watermark) AS at_ms
FROM ledger FINAL WHERE stage = 'processor'"""
_DAYS: Final = f"""SELECT 'day' AS what, toString(day) AS name,
    if(counted_at < touched_at + INTERVAL {SETTLE_S} SECOND, 0, toUnixTimestamp64Micro(counted_at)) AS number, NULL AS at_ms
FROM usage_days FINAL WHERE {WORKSPACE}"""


def _first(what: str, column: str, rows: str) -> str:
    return f"SELECT '{what}' AS what, '' AS name, 0 AS number, {_MIN.format(column)} AS at_ms\nFROM {rows}"


def _fused(scope: Scope, texts: Sequence[str]) -> Statement:
    return Statement("\nUNION ALL\n".join(texts), scope_parameters(scope))


def open_statement(scope: Scope) -> Statement:
    """One row (open conversations, agents logged in). Only days with a row that is open, be it an old revision, are read with FINAL."""
    is_open = f"{scope_sql(scope)} AND end IS NULL"
    days = f"SELECT toDate(start) FROM conversations WHERE {is_open}"
    text = f"""SELECT
    (SELECT count() FROM conversations FINAL WHERE {is_open} AND status = 'closed' AND toDate(start) IN ({days})),
    (SELECT uniqExact(agent_id) FROM agent_logins FINAL WHERE {logins_sql(scope)} AND status = 'closed' AND end IS NULL)"""
    return Statement(text, scope_parameters(scope))

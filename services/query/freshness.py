"""How far the numbers reach: the watermark of the metering, the first fact, and what is still open (T2, U8, S7).

Rule: `as_of` is what the processors last wrote into the ledger, never a clock: the least watermark of the newest generation's lines, and none while one of
them has none. A number of a bucket that ends before it can only be changed by an event that is late (T3).
Limit: the ledger is written every 5 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from services.events.times import format_ms
from services.query.counter import SETTLE_S
from services.query.statement import Reader, Scope, Statement, scope_parameters, scope_sql

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
    [(firsts_ms, as_of_ms, assigned_apps, uncounted_days)] = reader.rows(reach_statement(scope, only_watermark=only_watermark))
    since_ms = min((first_ms for first_ms in firsts_ms[:3] if first_ms is not None), default=None)
    has_agents = not firsts_ms or any(first_ms is not None for first_ms in firsts_ms[1:])
    return Reach(since_ms, as_of_ms, frozenset(assigned_apps), tuple(uncounted_days), has_agents)


def reach_statement(scope: Scope, *, only_watermark: bool = False) -> Statement:
    """One row: the first session, login, assignment and peak, or none of them; the watermark; the apps with an assignment; the days that are not counted."""
    firsts = "[]" if only_watermark else f"[{', '.join(_firsts(scope))}]"
    assigned = f"(SELECT groupUniqArray(app_id) FROM agent_assignments FINAL WHERE {scope_sql(scope)} AND status = 'closed')"
    text = f"""SELECT
    {firsts} AS firsts_ms,
    (SELECT if(countIf(watermark IS NULL) > 0, NULL, toUnixTimestamp64Milli(min(watermark)))
        FROM ledger FINAL
        WHERE stage = 'processor' AND bitShiftRight(revision, 48) = (SELECT max(bitShiftRight(revision, 48)) FROM ledger WHERE stage = 'processor')
    ) AS as_of_ms,
    {"[]" if only_watermark else assigned} AS assigned_apps,
    (SELECT arraySort(groupArray(toString(day))) FROM (
        SELECT day FROM usage_days WHERE workspace_id = {{workspace:String}} GROUP BY day HAVING max(counted_at) < max(touched_at) + INTERVAL {SETTLE_S} SECOND
    )) AS uncounted_days"""
    return Statement(text, scope_parameters(scope))


def _firsts(scope: Scope) -> list[str]:
    """First facts. Of a whole workspace the first day is known, and only that day is read."""
    first_day = "(SELECT min(day) + 1 FROM usage_days WHERE workspace_id = {workspace:String})"
    in_first_day = "" if scope.app_ids else f" AND conversation_start < {first_day}"
    logins = "workspace_id = {workspace:String}" + (" AND hasAny(app_ids, {apps:Array(String)})" if scope.app_ids else "")
    return [
        f"(SELECT toUnixTimestamp64Milli(minOrNull(conversation_start)) FROM billing_sessions WHERE {scope_sql(scope)}{in_first_day})",
        f"(SELECT toUnixTimestamp64Milli(minOrNull(start)) FROM agent_logins WHERE {logins})",
        f"(SELECT toUnixTimestamp64Milli(minOrNull(start)) FROM agent_assignments WHERE {scope_sql(scope)})",
        f"(SELECT toUnixTimestamp64Milli(minOrNull(quarter)) FROM seat_peaks WHERE {scope_sql(scope)})",
    ]


def open_statement(scope: Scope) -> Statement:
    """One row (open conversations, agents logged in). Only days with a row that is open, be it an old revision, are read with FINAL."""
    is_open = f"{scope_sql(scope)} AND end IS NULL"
    days = f"SELECT toDate(start) FROM conversations WHERE {is_open}"
    mine = "workspace_id = {workspace:String}" + (" AND hasAny(app_ids, {apps:Array(String)})" if scope.app_ids else "")
    text = f"""SELECT
    (SELECT count() FROM conversations FINAL WHERE {is_open} AND status = 'closed' AND toDate(start) IN ({days})),
    (SELECT uniqExact(agent_id) FROM agent_logins FINAL WHERE {mine} AND status = 'closed' AND end IS NULL)"""
    return Statement(text, scope_parameters(scope))

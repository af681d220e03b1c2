"""How far the numbers reach: the watermark of the metering, the first fact, and what is still open (T2, U8, S7).

Rule: `as_of` is what the processors last wrote into the ledger, never a clock: the least watermark of the newest generation's lines, and none while one of
them has none. A number of a bucket that ends before it can only be changed by an event that is late (T3).
Limit: the ledger is written every 5 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from services.query.statement import Reader, Scope, Statement, scope_parameters, scope_sql

BucketState = Literal["no_data", "closed", "open", "ahead"]
Liveness = Literal["live", "late", "nothing"]

LATE_MS: Final = 5 * 60_000
"""The watermark is a minute behind by design (T2), and the ledger tells of it every few seconds."""


@dataclass(frozen=True, slots=True)
class Reach:
    """From the first fact of the scope to the watermark, in milliseconds; none: there is none."""

    since_ms: int | None
    as_of_ms: int | None

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


def read_reach(reader: Reader, scope: Scope) -> Reach:
    [(since_ms, as_of_ms)] = reader.rows(reach_statement(scope))
    return Reach(since_ms, as_of_ms)


def reach_statement(scope: Scope) -> Statement:
    """One row (since_ms, as_of_ms), each may be null."""
    mine = scope_sql(scope)
    logins = "workspace_id = {workspace:String}" + (" AND hasAny(app_ids, {apps:Array(String)})" if scope.app_ids else "")
    firsts = [
        f"SELECT minOrNull(conversation_start) AS first FROM v_billing_sessions WHERE {mine}",
        f"SELECT minOrNull(start) AS first FROM v_agent_logins WHERE {logins}",
        f"SELECT minOrNull(start) AS first FROM v_agent_assignments WHERE {mine}",
    ]
    text = f"""SELECT (SELECT toUnixTimestamp64Milli(min(first)) FROM ({" UNION ALL ".join(firsts)})) AS since_ms,
    (SELECT if(countIf(watermark IS NULL) > 0, NULL, toUnixTimestamp64Milli(min(watermark)))
        FROM v_ledger
        WHERE stage = 'processor' AND bitShiftRight(revision, 48) = (SELECT max(bitShiftRight(revision, 48)) FROM v_ledger WHERE stage = 'processor')
    ) AS as_of_ms"""
    return Statement(text, scope_parameters(scope))


def open_statement(scope: Scope) -> Statement:
    """One row (open conversations, agents logged in)."""
    mine = "workspace_id = {workspace:String}" + (" AND hasAny(app_ids, {apps:Array(String)})" if scope.app_ids else "")
    text = f"""SELECT (SELECT count() FROM v_conversations WHERE {scope_sql(scope)} AND end IS NULL),
    (SELECT uniqExact(agent_id) FROM v_agent_logins WHERE {mine} AND end IS NULL)"""
    return Statement(text, scope_parameters(scope))

"""The one statement behind a trend and behind the seats of a range: every series in one answer. Pure.

Rows are (series, key, bucket_ms, value, at_ms); key `""` is the whole scope together, else the app or the channel. `bucket_ms` is the start of the bucket,
or of the whole period for series of totals. One statement instead of eight: a round trip costs more than most of the series.

A session, and a conversation, belongs to the bucket in which it starts (T5). Sums are summed by who reads the rows; peaks and distinct agents are not sums,
so their totals are series of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.query.seat_statements import assigned_apps, presence_levels, quarter_peaks
from services.query.statement import BOUNDS, EDGES, FROM, TO, Scope, Statement, edge_parameters, scope_parameters, scope_sql

GroupBy = Literal["app", "channel", "type"]
SessionType = Literal["usage", "voice", "alert"]

QUARTER_MS: Final = 900_000
_BUCKET: Final = "roundDown(toUnixTimestamp64Milli(start), edges) AS bucket_ms"


@dataclass(frozen=True, slots=True)
class TrendQuestion:
    """`edges_ms`: of all buckets in a row, those of the period before first; `bounds_ms`: of the whole periods. What is empty does not filter."""

    scope: Scope
    edges_ms: tuple[int, ...]
    bounds_ms: tuple[int, ...]
    known_ms: int
    """The watermark: presences that have not ended count up to here."""
    channels: tuple[str, ...] = ()
    types: tuple[SessionType, ...] = ()
    group_by: GroupBy | None = None

    @property
    def tells_seats(self) -> bool:
        """Agents have an app; they have no channel and no type of session."""
        return not self.channels and not self.types

    @property
    def seats_by_app(self) -> bool:
        return self.group_by == "app"


def trend_statement(question: TrendQuestion) -> Statement:
    """Series `usage`, `voice`, `alert`, `conversations`; where seats are told also those of `seats_statement`."""
    texts = [_sessions(question)]
    if not question.types or "usage" in question.types:
        texts.append(_conversations(question))
    if question.tells_seats:
        texts += _seats(question)
    return _fused(question, texts)


def seats_statement(question: TrendQuestion) -> Statement:
    """Series `peak`, `named`, `assigned` by bucket; `named_total`, `assigned_total` by whole period; `ever_assigned` with a row for each app that was."""
    return _fused(question, _seats(question))


def _fused(question: TrendQuestion, texts: Sequence[str]) -> Statement:
    parameters = scope_parameters(question.scope) | edge_parameters(question.edges_ms) | {"bounds": list(question.bounds_ms), "known": question.known_ms}
    lists = {"channels": list(question.channels), "types": list(question.types)}
    used = {name: values for name, values in lists.items() if values}
    return Statement("\nUNION ALL\n".join(f"SELECT * FROM ({text})" for text in texts), parameters | used)


def _sessions(question: TrendQuestion) -> str:
    types = " AND type IN {types:Array(String)}" if question.types else ""
    return f"""WITH {EDGES}
SELECT CAST(type, 'String') AS series, {_key(question)} AS key, {_BUCKET},
    toInt64(count()) AS value, 0::Int64 AS at_ms
FROM v_billing_sessions
WHERE {scope_sql(question.scope)} AND conversation_start < {TO} AND start >= {FROM} AND start < {TO}{types}{_channels(question)}
GROUP BY series, key, bucket_ms"""


def _conversations(question: TrendQuestion) -> str:
    """Episodes, for each is billed as a conversation of its own (U3)."""
    return f"""WITH {EDGES}
SELECT 'conversations' AS series, {_key(question)} AS key, {_BUCKET},
    toInt64(count()) AS value, 0::Int64 AS at_ms
FROM v_conversations
WHERE {scope_sql(question.scope)} AND start >= {FROM} AND start < {TO}{_channels(question)}
GROUP BY series, key, bucket_ms"""


def _key(question: TrendQuestion) -> str:
    """`type` is told by the series."""
    return {"app": "app_id", "channel": "CAST(channel, 'String')"}.get(question.group_by or "", "''")


def _channels(question: TrendQuestion) -> str:
    return " AND channel IN {channels:Array(String)}" if question.channels else ""


def _seats(question: TrendQuestion) -> list[str]:
    scope, each_app = question.scope, question.seats_by_app

    def distinct(presences: Literal["named", "assignments"], edges: str) -> str:
        return presence_levels(presences, "distinct", scope, edges, each_app=each_app)

    series = {
        "named": distinct("named", EDGES),
        "named_total": distinct("named", BOUNDS),
        "assigned": distinct("assignments", EDGES),
        "assigned_total": distinct("assignments", BOUNDS),
    }
    texts = [_levels(name, text) for name, text in series.items()] + [_levels("peak", text) for text in _peaks(question)]
    return [*texts, _levels("ever_assigned", f"SELECT app_id, 0 AS bucket_ms, 1 AS seats, 0 AS at_ms FROM ({assigned_apps(scope)})")]


def _peaks(question: TrendQuestion) -> list[str]:
    """S3, S4, by the rule of `seat_statements`. Of one app alone there are facts; of several together there are none."""
    scope, each_app = question.scope, question.seats_by_app
    from_logins = presence_levels("logins", "peak", scope, EDGES, each_app=each_app)
    if any(edge_ms % QUARTER_MS for edge_ms in question.edges_ms):
        return [from_logins]
    if len(scope.app_ids) > 1:
        together = presence_levels("logins", "peak", scope, EDGES, each_app=False)
        return [together, quarter_peaks(scope, EDGES, each_app=True)] if each_app else [together]
    return [quarter_peaks(scope, EDGES, each_app=each_app)]


def _levels(series: str, text: str) -> str:
    return f"SELECT '{series}' AS series, app_id AS key, toInt64(bucket_ms) AS bucket_ms, toInt64(seats) AS value, toInt64(at_ms) AS at_ms FROM ({text})"

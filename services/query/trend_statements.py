"""The statements behind a trend and behind the seats of a range, which give rows of one shape. Pure.

Rows are (series, key, bucket_ms, value, at_ms); key `""` is the whole scope together, else the app or the channel. `bucket_ms` is the start of the bucket,
or of the whole period for series of totals. Two statements instead of seven, to be asked side by side: a round trip costs more than most of the series, and
the distinct agents as much as all others. Sessions and conversations of days that are counted have rows of their own (`counts`).

A session, and a conversation, belongs to the bucket in which it starts (T5). Sums are summed by who reads the rows; peaks and distinct agents are not sums,
so their totals are series of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.query.seat_statements import Presences, distinct_agents, presence_levels, quarter_peaks
from services.query.statement import FROM, TO, Scope, Statement, edge_parameters, edges_sql, scope_parameters, scope_sql

GroupBy = Literal["app", "channel", "type"]
SessionType = Literal["usage", "voice", "alert"]

QUARTER_MS: Final = 900_000
PAIRS_BUCKETS_MAX: Final = 1_000
"""More, and the pairs of presence and bucket cost more than the sweep's sorting."""
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
    uncounted_days: tuple[str, ...] = ()
    has_agents: bool = True
    """Whether there can be seats other than zero (`freshness.Reach`)."""

    @property
    def cuts_quarters(self) -> bool:
        """Counts and peaks know no more than quarters (S3): such a range is counted from the facts of `uncounted_days`. Only its ends can be such edges."""
        return any(edge_ms % QUARTER_MS for edge_ms in self.edges_ms)

    @property
    def tells_seats(self) -> bool:
        """Agents have an app; they have no channel and no type of session."""
        return not self.channels and not self.types

    @property
    def kinds(self) -> tuple[str, ...]:
        """The series of counts; conversations go with usage."""
        return (*self.types, "conversations") if "usage" in self.types else self.types

    @property
    def seats_by_app(self) -> bool:
        return self.group_by == "app"

    @property
    def lists(self) -> dict[str, object]:
        """Parameters of what filters."""
        found = {"channels": list(self.channels), "kinds": list(self.kinds), "uncounted": list(self.uncounted_days)}
        return {name: values for name, values in found.items() if values}


def trend_statements(question: TrendQuestion) -> list[Statement]:
    """Series `usage`, `voice`, `alert`, `conversations` of the days that are not counted; where there are seats to tell also those of `seats_statements`."""
    texts = [_sessions(question), _conversations(question)] if question.uncounted_days else []
    if not question.tells_seats or not question.has_agents:
        return [_fused(question, texts)] if texts else []
    return [_fused(question, _agents(question)), _fused(question, [*texts, *_peaks(question)])]


def seats_statements(question: TrendQuestion) -> list[Statement]:
    """Series `peak`, `named`, `assigned` by bucket; `named_total`, `assigned_total` by whole period."""
    return [_fused(question, _agents(question)), _fused(question, _peaks(question))] if question.has_agents else []


def peaks_statement(question: TrendQuestion) -> Statement:
    """Series `peak`."""
    return _fused(question, _peaks(question))


def _fused(question: TrendQuestion, texts: Sequence[str]) -> Statement:
    parameters = scope_parameters(question.scope) | edge_parameters(question.edges_ms) | {"bounds": list(question.bounds_ms), "known": question.known_ms}
    return Statement("\nUNION ALL\n".join(f"SELECT * FROM ({text})" for text in texts), parameters | question.lists)


def _sessions(question: TrendQuestion) -> str:
    """From the facts, of days that are not counted."""
    return f"""WITH {edges_sql(question.edges_ms)}
SELECT CAST(type, 'String') AS series, {key_sql(question)} AS key, {_BUCKET}, toInt64(count()) AS value, 0::Int64 AS at_ms
FROM billing_sessions FINAL
WHERE {scope_sql(question.scope)} AND status = 'closed' AND toDate(conversation_start) IN {{uncounted:Array(Date)}}
    AND start >= {FROM} AND start < {TO}{kinds_sql(question, "type")}{channels_sql(question)}
GROUP BY series, key, bucket_ms"""


def _conversations(question: TrendQuestion) -> str:
    """Episodes, for each is billed as a conversation of its own (U3)."""
    none = "" if not question.kinds or "usage" in question.kinds else " AND false"
    return f"""WITH {edges_sql(question.edges_ms)}
SELECT 'conversations' AS series, {key_sql(question)} AS key, {_BUCKET}, toInt64(count()) AS value, 0::Int64 AS at_ms
FROM conversations FINAL
WHERE {scope_sql(question.scope)} AND status = 'closed' AND toDate(start) IN {{uncounted:Array(Date)}}
    AND start >= {FROM} AND start < {TO}{channels_sql(question)}{none}
GROUP BY series, key, bucket_ms"""


def key_sql(question: TrendQuestion) -> str:
    """`type` is told by the series."""
    return {"app": "app_id", "channel": "CAST(channel, 'String')"}.get(question.group_by or "", "''")


def kinds_sql(question: TrendQuestion, column: str) -> str:
    return f" AND {column} IN {{kinds:Array(String)}}" if question.kinds else ""


def channels_sql(question: TrendQuestion) -> str:
    return " AND channel IN {channels:Array(String)}" if question.channels else ""


def _agents(question: TrendQuestion) -> list[str]:
    scope, edges, each_app = question.scope, edges_sql(question.edges_ms), question.seats_by_app
    if len(question.edges_ms) <= PAIRS_BUCKETS_MAX:
        return [distinct_agents(scope, edges, each_app=each_app, totals_only=False)]
    swept: dict[str, Presences] = {"named": "named", "assigned": "assignments"}
    texts = [_levels(series, presence_levels(presences, "distinct", scope, edges, each_app=each_app)) for series, presences in swept.items()]
    return [distinct_agents(scope, edges, each_app=each_app, totals_only=True), *texts]


def _peaks(question: TrendQuestion) -> list[str]:
    """S3, S4, by the rule of `seat_statements`. Of one app alone there are facts; of several together there are none."""
    scope, edges, each_app = question.scope, edges_sql(question.edges_ms), question.seats_by_app
    together = presence_levels("logins", "peak", scope, edges, each_app=False)
    if question.cuts_quarters:
        texts = [presence_levels("logins", "peak", scope, edges, each_app=each_app)]
    elif len(scope.app_ids) > 1:
        texts = [together, quarter_peaks(scope, edges, each_app=True)] if each_app else [together]
    else:
        texts = [quarter_peaks(scope, edges, each_app=each_app)]
    return [_levels("peak", text) for text in texts]


def _levels(series: str, text: str) -> str:
    return f"SELECT '{series}' AS series, app_id AS key, toInt64(bucket_ms) AS bucket_ms, toInt64(seats) AS value, toInt64(at_ms) AS at_ms FROM ({text})"

"""Statements about sessions: pages of a list, and the CSV export (SPEC §1). Pure.

A session belongs to the range in which it starts (T5). Lists and the export share one text, so that they can not differ.

The end of a session's conversation is looked up: of a usage session the end of the episode with the same app, conversation and t0; of a voice
session the end of the call's last session, when that says that the call ended (`V1:ended`); of an alert its own. Unknown ends are empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from services.query.cursor import Position
from services.query.periods import Period
from services.query.statement import FROM, TO, Scope, Statement, scope_parameters, scope_sql

Order = Literal["asc", "desc"]

SESSION_FIELDS: Final = (
    "billing_session_id", "revision", "type", "app_id", "channel", "kore_user_id", "channel_user_id", "conversation_id",
    "conversation_start", "conversation_end", "start", "end", "bot_ms", "human_ms", "message_id", "rule",
)  # fmt: skip
"""A row of `session_page`; instants are milliseconds, `conversation_end` may be None."""


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions of the scope; what is empty does not filter."""

    types: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    conversation_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionQuestion:
    """Which sessions, of when, and in which order by (start, id)."""

    scope: Scope
    period: Period
    which: SessionFilter
    order: Order = "asc"


def session_page(question: SessionQuestion, after: Position | None, limit: int) -> Statement:
    """At most `limit` sessions, from behind `after` on. Columns: SESSION_FIELDS."""
    beyond, direction = (">", "ASC") if question.order == "asc" else ("<", "DESC")
    seek = _seek(beyond) if after else ""
    columns = ", ".join(_MILLISECONDS.get(field, field) for field in SESSION_FIELDS)
    text = _with_ends(
        question,
        select=columns,
        tail=f"{seek} ORDER BY start {direction}, billing_session_id {direction} LIMIT {{limit:UInt32}}",
        order=f"ORDER BY start {direction}, billing_session_id {direction}",
    )
    position = {"after_start": after.start_ms, "after_id": after.billing_session_id} if after else {}
    return Statement(text, _parameters(question) | position | {"limit": limit})


def session_export(question: SessionQuestion) -> Statement:
    """Every session as the CSV of SPEC §1, formatted by ClickHouse."""
    columns = ",\n    ".join(f"{expression} AS `{title}`" for title, expression in CSV_COLUMNS.items())
    text = _with_ends(question, select=f"\n    {columns}", tail="", order="ORDER BY start, billing_session_id") + "\nFORMAT CSVWithNames"
    return Statement(text, _parameters(question) | {"zone": question.period.zone.key})


def safe_cell(column: str) -> str:
    """A text that a spreadsheet would run as a formula gets a leading apostrophe; quotes alone do not help."""
    return f"if(substring({column}, 1, 1) IN ('=', '+', '-', '@', '\\t', '\\r'), concat('\\'', {column}), {column})"


def local_instant(column: str) -> str:
    """ISO 8601 in the asked zone, as `periods.local_text` writes it; empty where there is none."""
    return f"ifNull(replaceRegexpOne(formatDateTime({column}, '%Y-%m-%dT%H:%i:%S.%f%z', {{zone:String}}), '(..)$', ':\\\\1'), '')"


CSV_COLUMNS: Final[Mapping[str, str]] = {
    "Bot ID": safe_cell("app_id"),
    "Channel": safe_cell("channel"),
    "Kore User ID": safe_cell("kore_user_id"),
    "Channel User ID": safe_cell("channel_user_id"),
    "Billing Session Type": "type",
    "Conversation Session Id": safe_cell("conversation_id"),
    "Conversation Session Start Date Time": local_instant("conversation_start"),
    "Conversation Session End Date Time": local_instant("conversation_end"),
    "Billing Session Id": "billing_session_id",
    "Billing Session Start Date Time": local_instant("start"),
    "Billing Session End Date Time": local_instant("end"),
    "Message Id": safe_cell("message_id"),
}
"""Title → expression, in the order of SPEC §1."""

# t0 is never after the session's start: the sort key and the partitions help even where the index on start is young.
_STARTS_IN_RANGE: Final = f"conversation_start < {TO} AND start >= {FROM} AND start < {TO}"
_MILLISECONDS: Final = {field: f"toUnixTimestamp64Milli({field})" for field in ("conversation_start", "conversation_end", "start", "end")}
_CONVERSATION: Final = "type, app_id, conversation_id, conversation_start"


def _with_ends(question: SessionQuestion, *, select: str, tail: str, order: str) -> str:
    mine = scope_sql(question.scope)
    t0_in_reach = "BETWEEN reach.1 AND reach.2"
    return f"""WITH sessions AS (
    SELECT * FROM v_billing_sessions WHERE {mine} AND {_STARTS_IN_RANGE}{_filter_sql(question.which)}{tail}
), (SELECT (min(conversation_start), max(conversation_start)) FROM sessions) AS reach, ends AS (
    SELECT 'usage' AS type, app_id, conversation_id, start AS conversation_start, end AS ended_at
    FROM v_conversations AS conversations
    WHERE {mine} AND conversations.start {t0_in_reach}
    UNION ALL
    SELECT type, app_id, conversation_id, conversation_start, if(argMax(rule, start) = 'V1:ended', max(end), NULL) AS ended_at
    FROM v_billing_sessions
    WHERE {mine} AND type = 'voice' AND conversation_start {t0_in_reach}
    GROUP BY {_CONVERSATION}
)
SELECT {select}
FROM (
    SELECT sessions.*, if(type = 'alert', end, ended_at) AS conversation_end
    FROM sessions LEFT JOIN ends USING ({_CONVERSATION})
)
{order}"""


def _seek(beyond: str) -> str:
    """Row order is (start, id); the bound on start alone is what an index can use."""
    start = "fromUnixTimestamp64Milli({after_start:Int64}, 'UTC')"
    return f" AND start {beyond}= {start} AND (start, billing_session_id) {beyond} ({start}, {{after_id:String}})"


def _filter_sql(which: SessionFilter) -> str:
    types = " AND type IN {types:Array(String)}" if which.types else ""
    channels = " AND channel IN {channels:Array(String)}" if which.channels else ""
    return types + channels + (" AND conversation_id IN {conversations:Array(String)}" if which.conversation_ids else "")


def _parameters(question: SessionQuestion) -> dict[str, object]:
    which, period = question.which, question.period
    filters = {"types": which.types, "channels": which.channels, "conversations": which.conversation_ids}
    lists = {name: list(values) for name, values in filters.items() if values}
    return scope_parameters(question.scope) | {"from": period.from_ms, "to": period.to_ms} | lists

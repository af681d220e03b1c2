"""Statements about sessions: pages of a list, one session with its neighbours, and where conversations end. Pure.

A session belongs to the range in which it starts (T5). Only the days of t0 that `days` tells are read, and in pieces.

The end of a session's conversation is looked up: of a usage session the end of the episode with the same app, conversation and t0; of a voice
session the end of the call's last session, when that says that the call ended (`V1:ended`); of an alert its own. Unknown ends are empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.query.cursor import Position
from services.query.days import day_of
from services.query.periods import Period
from services.query.statement import Scope, Statement, scope_parameters, scope_sql

Order = Literal["asc", "desc"]
Key = tuple[str, str, str, int]
"""(type, app, conversation, t0): of one conversation or call."""

SESSION_FIELDS: Final = (
    "billing_session_id", "revision", "type", "app_id", "channel", "kore_user_id", "channel_user_id", "conversation_id",
    "conversation_start", "start", "end", "bot_ms", "human_ms", "message_id", "rule",
)  # fmt: skip
"""A row of a page; instants are milliseconds."""
EPISODE_FIELDS: Final = (
    "conversation_episode_id", "revision", "app_id", "channel", "kore_user_id", "channel_user_id", "conversation_id",
    "start", "end", "end_reason", "sessions", "human_ms",
)  # fmt: skip
_INSTANTS: Final = ("conversation_start", "start", "end")
_T0_MS: Final = "toUnixTimestamp64Milli(start)"
_ENDS: Final = f"""SELECT 'usage' AS type, app_id, conversation_id, {_T0_MS} AS t0_ms, t0_ms AS start_ms, toUnixTimestamp64Milli(end) AS end_ms
FROM conversations FINAL"""


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions of the scope; what is empty does not filter."""

    types: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    conversation_ids: tuple[str, ...] = ()
    kore_user_ids: tuple[str, ...] = ()
    channel_user_ids: tuple[str, ...] = ()

    @property
    def may_be_usage(self) -> bool:
        """Whether sessions of conversations are among them."""
        return not self.types or "usage" in self.types

    @property
    def is_rare(self) -> bool:
        """Whether it leaves so little that pieces of the range would mostly be empty."""
        return bool(self.conversation_ids or self.kore_user_ids or self.channel_user_ids)


@dataclass(frozen=True, slots=True)
class SessionQuestion:
    """Which sessions, of when, and in which order by (start, id)."""

    scope: Scope
    period: Period
    which: SessionFilter
    order: Order = "asc"


def columns(fields: Sequence[str], instants: Sequence[str] = _INSTANTS) -> str:
    return ", ".join(f"toUnixTimestamp64Milli({field})" if field in instants else field for field in fields)


def session_page(question: SessionQuestion, t0_days: Sequence[str], window: tuple[int, int], after: Position | None, limit: int) -> Statement:
    """At most `limit` sessions of the window, from behind `after` on. Columns: SESSION_FIELDS."""
    beyond, direction = (">", "ASC") if question.order == "asc" else ("<", "DESC")
    text = f"""SELECT {columns(SESSION_FIELDS)}
FROM billing_sessions FINAL
WHERE {sessions_sql(question)}{_seek(beyond) if after else ""}
ORDER BY billing_sessions.start {direction}, billing_session_id {direction}
LIMIT {{limit:UInt32}}"""
    position = {"after_start": after.start_ms, "after_id": after.row_id} if after else {}
    return Statement(text, session_parameters(question, t0_days, window) | position | {"limit": limit})


def sessions_sql(question: SessionQuestion) -> str:
    """What picks the sessions of a question, of the days {t0_days} and the starts from {from} to {to}."""
    days = "toDate(conversation_start) IN {t0_days:Array(Date)}"
    starts = "billing_sessions.start >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND billing_sessions.start < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
    return f"{scope_sql(question.scope)} AND status = 'closed' AND {days} AND {starts}{filter_sql(question.which)}"


def session_parameters(question: SessionQuestion, t0_days: Sequence[str], window: tuple[int, int]) -> dict[str, object]:
    lists = {name: list(values) for name, (_, values) in _filters(question.which).items() if values}
    return scope_parameters(question.scope) | {"t0_days": list(t0_days), "from": window[0], "to": window[1]} | lists


def ends_statement(scope: Scope, t0_days: Sequence[str], window: tuple[int, int]) -> Statement:
    """Rows as those of `ends_statements`: one of each conversation that begins in the window, which these days hold."""
    in_window = f"{_T0_MS} >= {{from:Int64}} AND {_T0_MS} < {{to:Int64}}"
    text = f"{_ENDS}\nWHERE {scope_sql(scope)} AND toDate(start) IN {{t0_days:Array(Date)}} AND {in_window} AND status = 'closed'"
    return Statement(text, scope_parameters(scope) | {"t0_days": list(t0_days), "from": window[0], "to": window[1]})


def ends_statements(scope: Scope, keys: Sequence[Key]) -> list[Statement]:
    """Rows (type, app, conversation, t0, start, end or null): one of each of these conversations that is known, and of each session of these calls. The end
    of the row that starts last counts; the reader finds it, for ClickHouse needs longer to understand an aggregate than to send more rows. To be asked side by
    side, one of conversations and one of calls."""
    of_talks = f"{_ENDS}\nWHERE {_at_keys(scope, 'start')} AND status = 'closed'"
    of_calls = f"""SELECT 'voice' AS type, app_id, conversation_id, toUnixTimestamp64Milli(conversation_start) AS t0_ms,
    toUnixTimestamp64Milli(start) AS start_ms, if(rule = 'V1:ended', toUnixTimestamp64Milli(end), NULL) AS end_ms
FROM billing_sessions FINAL
WHERE {_at_keys(scope, "conversation_start")} AND billing_sessions.type = 'voice' AND status = 'closed'"""
    of_kind = {"usage": of_talks, "voice": of_calls}
    return [Statement(text, _key_parameters(scope, found)) for kind, text in of_kind.items() if (found := [key for key in keys if key[0] == kind])]


def episode_statement(scope: Scope, key: Key) -> Statement:
    """The conversation of this key. Columns: EPISODE_FIELDS; no row for a call or an alert."""
    mine = f"{_at_keys(scope, 'start')} AND conversation_id = {{conversation:String}}"
    text = f"SELECT {columns(EPISODE_FIELDS)} FROM conversations FINAL WHERE {mine} AND status = 'closed'"
    return Statement(text, _key_parameters(scope, [key]) | {"conversation": key[2]})


def neighbours_statement(scope: Scope, key: Key) -> Statement:
    """All sessions of one conversation or call, in order. Columns: SESSION_FIELDS."""
    text = f"""SELECT {columns(SESSION_FIELDS)}
FROM billing_sessions FINAL
WHERE {_at_keys(scope, "conversation_start")} AND status = 'closed' AND type = {{type:String}} AND conversation_id = {{conversation:String}}
ORDER BY billing_sessions.start, billing_session_id"""
    return Statement(text, _key_parameters(scope, [key]) | {"type": key[0], "conversation": key[2]})


def session_statement(scope: Scope, billing_session_id: str) -> Statement:
    """The session with this id. All revisions of an id are skipped or read together, so the index needs no exact mode."""
    text = f"""SELECT {columns(SESSION_FIELDS)}
FROM billing_sessions FINAL
WHERE {scope_sql(scope)} AND status = 'closed' AND billing_session_id = {{id:String}}"""
    return Statement(text, scope_parameters(scope) | {"id": billing_session_id}, {"use_skip_indexes_if_final_exact_mode": 0})


def filter_sql(which: SessionFilter) -> str:
    return "".join(f" AND {column} IN {{{name}:Array(String)}}" for name, (column, values) in _filters(which).items() if values)


def _filters(which: SessionFilter) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Parameter → (column, values)."""
    return {
        "types": ("type", which.types),
        "channels": ("channel", which.channels),
        "conversations": ("conversation_id", which.conversation_ids),
        "kore_users": ("kore_user_id", which.kore_user_ids),
        "channel_users": ("channel_user_id", which.channel_user_ids),
    }


def _seek(beyond: str) -> str:
    """Row order is (start, id); the bound on start alone is what an index can use."""
    start = "fromUnixTimestamp64Milli({after_start:Int64}, 'UTC')"
    return f" AND billing_sessions.start {beyond}= {start} AND (billing_sessions.start, billing_session_id) {beyond} ({start}, {{after_id:String}})"


def _at_keys(scope: Scope, t0: str) -> str:
    """The days and apps prune by the sort key; the rest is exact (and as numbers: a set of instants costs the analysis of the sort key 7 ms)."""
    in_t0s = f"toUnixTimestamp64Milli({t0}) IN {{key_t0s:Array(Int64)}}"
    return f"{scope_sql(scope)} AND toDate({t0}) IN {{key_days:Array(Date)}} AND app_id IN {{key_apps:Array(String)}} AND {in_t0s}"


def _key_parameters(scope: Scope, keys: Sequence[Key]) -> dict[str, object]:
    t0s_ms = sorted({t0_ms for _, _, _, t0_ms in keys})
    apps = sorted({app_id for _, app_id, _, _ in keys})
    return scope_parameters(scope) | {"key_days": sorted({day_of(t0_ms) for t0_ms in t0s_ms}), "key_apps": apps, "key_t0s": t0s_ms}

"""Pages of the list of conversations. Pure but for the reader it is given. A conversation belongs to the range in which it starts (T5): its start is t0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from services.query.cursor import Cursor, Position, digest, write_cursor
from services.query.days import ReadDays, day_of, page_windows
from services.query.periods import Period
from services.query.session_statements import EPISODE_FIELDS, Order, SessionFilter, columns, filter_sql
from services.query.statement import FROM, TO, Reader, Row, Scope, Statement, scope_parameters, scope_sql
from services.query.trends import Json, range_echo

_START: Final = "conversations.start"


@dataclass(frozen=True, slots=True)
class ConversationQuestion:
    scope: Scope
    period: Period
    which: SessionFilter
    is_open: bool | None = None
    order: Order = "asc"


def binding(question: ConversationQuestion) -> str:
    return digest(["conversations", asdict(question.scope), asdict(question.which), question.is_open, question.order])


def conversation_page(question: ConversationQuestion, window: tuple[int, int], after: Position | None, limit: int) -> Statement:
    """At most `limit` conversations of the window, from behind `after` on. Columns: EPISODE_FIELDS."""
    beyond, direction = (">", "ASC") if question.order == "asc" else ("<", "DESC")
    seek = f" AND ({_START}, conversation_episode_id) {beyond} (fromUnixTimestamp64Milli({{after_start:Int64}}, 'UTC'), {{after_id:String}})" if after else ""
    text = f"""SELECT {columns(EPISODE_FIELDS)}
FROM conversations FINAL
WHERE {conversations_sql(question)}{seek}
ORDER BY {_START} {direction}, conversation_episode_id {direction}
LIMIT {{limit:UInt32}}"""
    position = {"after_start": after.start_ms, "after_id": after.row_id} if after else {}
    return Statement(text, conversation_parameters(question, window) | position | {"limit": limit})


def conversations_sql(question: ConversationQuestion) -> str:
    """What picks the conversations of a question, of the starts from {from} to {to}."""
    is_open = "" if question.is_open is None else " AND conversations.end IS NULL" if question.is_open else " AND conversations.end IS NOT NULL"
    days = f"toDate({_START}) >= {{first_day:Date}} AND toDate({_START}) <= {{last_day:Date}}"
    return f"{scope_sql(question.scope)} AND status = 'closed' AND {days} AND {_START} >= {FROM} AND {_START} < {TO}{filter_sql(question.which)}{is_open}"


def conversation_parameters(question: ConversationQuestion, window: tuple[int, int]) -> dict[str, object]:
    days: dict[str, object] = {"first_day": day_of(window[0]), "last_day": day_of(window[1] - 1), "from": window[0], "to": window[1]}
    lists = {"channels": question.which.channels, "conversations": question.which.conversation_ids}
    lists |= {"kore_users": question.which.kore_user_ids, "channel_users": question.which.channel_user_ids}
    return scope_parameters(question.scope) | days | {name: list(values) for name, values in lists.items() if values}


def page_answer(reader: Reader, question: ConversationQuestion, days: ReadDays, after: Position | None, limit: int, as_of_ms: int | None) -> Json:
    """`answers.ConversationPage`."""
    period = question.period
    rows = _page_rows(reader, question, days, after, limit + 1, as_of_ms)
    page = [dict(zip(EPISODE_FIELDS, row, strict=True)) for row in rows[:limit]]
    more = None
    if len(rows) > limit:
        more = write_cursor(Cursor(binding(question), period.from_ms, period.to_ms, page[-1]["start"], page[-1]["conversation_episode_id"]))
    return {
        "workspace_id": question.scope.workspace_id,
        "app_ids": list(question.scope.app_ids),
        "as_of": period.local_or_none(as_of_ms),
        "range": range_echo(period),
        "conversations": [_conversation(fields, period) for fields in page],
        "next_cursor": more,
    }


def _page_rows(reader: Reader, question: ConversationQuestion, days: ReadDays, after: Position | None, wanted: int, as_of_ms: int | None) -> Sequence[Row]:
    descending = question.order == "desc"
    from_ms, to_ms = question.period.from_ms, question.period.to_ms
    if after:
        from_ms, to_ms = (from_ms, after.start_ms + 1) if descending else (after.start_ms, to_ms)
    rare = question.which.is_rare or question.is_open is not None
    rows: list[Row] = []
    pieces = [(from_ms, to_ms)] if rare else (window for _, window in page_windows(days, from_ms, to_ms, wanted, descending=descending, as_of_ms=as_of_ms))
    for window in pieces:
        rows += reader.rows(conversation_page(question, window, after, wanted - len(rows)))
        if len(rows) >= wanted:
            break
    return rows


def _conversation(fields: dict[str, Any], period: Period) -> Json:
    return fields | {name: period.local_or_none(fields[name]) for name in ("start", "end")}

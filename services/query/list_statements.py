"""Lists beside the sessions as CSV: conversations and refused events of a range, formatted by ClickHouse piece by piece. Pure.

A piece is a part of the range that is read alone, so that what a file needs of memory does not grow with it; pieces in order are the whole list in order.
Limit: refused events are cut by whole UTC days of their log time, for nothing counts them; a day of them is sorted at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from services.events.times import DAY_MS
from services.query.conversations import ConversationQuestion, conversation_parameters, conversations_sql
from services.query.days import Days, day_of, day_start_ms, windows
from services.query.export_statements import PIECE_ROWS, local_instant, safe_cell
from services.query.rejected import RejectedQuestion, rejected_parameters, rejected_sql
from services.query.statement import Statement

_CONVERSATION_CELLS: Final[Mapping[str, str]] = {
    "conversation_episode_id": "conversation_episode_id",
    "app_id": safe_cell("app_id"),
    "channel": safe_cell("channel"),
    "kore_user_id": safe_cell("kore_user_id"),
    "channel_user_id": safe_cell("channel_user_id"),
    "conversation_id": safe_cell("conversation_id"),
    "start": local_instant("conversations.start"),
    "end": local_instant("conversations.end"),
    "end_reason": "end_reason",
    "sessions": "sessions",
    "human_ms": "human_ms",
}
_REJECTED_CELLS: Final[Mapping[str, str]] = {
    "rejected_id": "rejected_id",
    "log_time": local_instant("rejected_events.log_time"),
    "reason": "reason",
    "field": safe_cell("field"),
    "detail": safe_cell("detail"),
    "size_bytes": "size_bytes",
    "payload_base64": safe_cell("payload_base64"),
}


def conversation_files(question: ConversationQuestion, days: Days) -> Iterator[Statement]:
    """The statements whose answers in a row are the list by start; the first has the line of titles."""
    period = question.period
    source = f"conversations FINAL WHERE {conversations_sql(question)}"
    for number, window in enumerate(windows(days, period.from_ms, period.to_ms, PIECE_ROWS, growth=1)):
        text = _csv(_CONVERSATION_CELLS, ("conversations.start", "conversation_episode_id"), source, titles=number == 0)
        yield Statement(text, conversation_parameters(question, window) | {"zone": period.zone.key})


def conversation_count(question: ConversationQuestion) -> Statement:
    text = f"SELECT count() FROM conversations FINAL WHERE {conversations_sql(question)}"
    return Statement(text, conversation_parameters(question, (question.period.from_ms, question.period.to_ms)))


def rejected_files(question: RejectedQuestion, days: Iterable[str]) -> Iterator[Statement]:
    """The same of refused events, by log time. `days`: those that have some."""
    period = question.period
    source = f"rejected_events FINAL WHERE {rejected_sql(question)}"
    for number, day in enumerate([*days] or [day_of(period.from_ms)]):
        first_ms = day_start_ms(day)
        window = (max(first_ms, period.from_ms), min(first_ms + DAY_MS, period.to_ms))
        text = _csv(_REJECTED_CELLS, ("rejected_events.log_time", "rejected_id"), source, titles=number == 0)
        yield Statement(text, rejected_parameters(question, window) | {"zone": period.zone.key})


def rejected_days(question: RejectedQuestion) -> Statement:
    """Rows (UTC day, refused events), by day."""
    text = f"""SELECT toString(toDate(rejected_events.log_time)) AS day, count()
FROM rejected_events FINAL
WHERE {rejected_sql(question)}
GROUP BY day ORDER BY day"""
    return Statement(text, rejected_parameters(question, (question.period.from_ms, question.period.to_ms)))


def _csv(cells: Mapping[str, str], order: tuple[str, str], source: str, *, titles: bool) -> str:
    """Titles are named outside: a title that is a column's name would stand for the cell in the conditions."""
    inner = ", ".join(f"{expression} AS cell_{number}" for number, expression in enumerate(cells.values()))
    outer = ", ".join(f"cell_{number} AS `{title}`" for number, title in enumerate(cells))
    return f"""SELECT {outer}
FROM (SELECT {inner}, {order[0]} AS order_1, {order[1]} AS order_2 FROM {source})
ORDER BY order_1, order_2
FORMAT {"CSVWithNames" if titles else "CSV"}"""

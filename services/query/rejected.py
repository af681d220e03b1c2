"""Pages of the list of refused events of a workspace, by log time. Pure but for the reader it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.query.cursor import Cursor, Position, digest, write_cursor
from services.query.periods import Period
from services.query.session_statements import Order
from services.query.statement import FROM, TO, Reader, Statement
from services.query.trends import Json, range_echo

FIELDS: Final = ("rejected_id", "log_time", "reason", "field", "detail", "size_bytes", "payload_base64")
_TIME: Final = "rejected_events.log_time"


@dataclass(frozen=True, slots=True)
class RejectedQuestion:
    """What is empty does not filter. They belong to no app."""

    workspace_id: str
    period: Period
    reasons: tuple[str, ...] = ()
    order: Order = "asc"


def binding(question: RejectedQuestion) -> str:
    return digest(["rejected", question.workspace_id, question.reasons, question.order])


def page_answer(reader: Reader, question: RejectedQuestion, after: Position | None, limit: int, as_of_ms: int | None) -> Json:
    """`answers.RejectedPage`."""
    period = question.period
    rows = reader.rows(_page(question, after, limit + 1))
    page = [dict(zip(FIELDS, row, strict=True)) for row in rows[:limit]]
    more = None
    if len(rows) > limit:
        more = write_cursor(Cursor(binding(question), period.from_ms, period.to_ms, page[-1]["log_time"], page[-1]["rejected_id"]))
    return {
        "workspace_id": question.workspace_id,
        "as_of": period.local_or_none(as_of_ms),
        "range": range_echo(period),
        "rejected": [fields | {"log_time": period.local(fields["log_time"])} for fields in page],
        "next_cursor": more,
    }


def _page(question: RejectedQuestion, after: Position | None, limit: int) -> Statement:
    beyond, direction = (">", "ASC") if question.order == "asc" else ("<", "DESC")
    seek = f" AND ({_TIME}, rejected_id) {beyond} (fromUnixTimestamp64Milli({{after_start:Int64}}, 'UTC'), {{after_id:String}})" if after else ""
    fields = ", ".join(f"toUnixTimestamp64Milli({_TIME})" if field == "log_time" else field for field in FIELDS)
    text = f"""SELECT {fields}
FROM rejected_events FINAL
WHERE {rejected_sql(question)}{seek}
ORDER BY {_TIME} {direction}, rejected_id {direction}
LIMIT {{limit:UInt32}}"""
    position = {"after_start": after.start_ms, "after_id": after.row_id} if after else {}
    window = (question.period.from_ms, question.period.to_ms)
    return Statement(text, rejected_parameters(question, window) | position | {"limit": limit})


def rejected_sql(question: RejectedQuestion) -> str:
    """What picks the refused events of a question, of the log times from {from} to {to}."""
    why = " AND reason IN {reasons:Array(String)}" if question.reasons else ""
    return f"workspace_id = {{workspace:String}} AND status = 'closed' AND {_TIME} >= {FROM} AND {_TIME} < {TO}{why}"


def rejected_parameters(question: RejectedQuestion, window: tuple[int, int]) -> dict[str, object]:
    parameters: dict[str, object] = {"workspace": question.workspace_id, "from": window[0], "to": window[1]}
    return parameters | ({"reasons": list(question.reasons)} if question.reasons else {})

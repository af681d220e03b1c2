"""Pages of the list of refused events of a workspace, by log time. Pure but for the reader it is given."""

from __future__ import annotations

from typing import Final

from services.query.cursor import Cursor, Position, digest, write_cursor
from services.query.periods import Period
from services.query.session_statements import Order
from services.query.statement import FROM, TO, Reader, Statement
from services.query.trends import Json, range_echo

FIELDS: Final = ("rejected_id", "log_time", "reason", "field", "detail", "size_bytes", "payload_base64")


def binding(workspace_id: str, reasons: tuple[str, ...], order: Order) -> str:
    return digest(["rejected", workspace_id, reasons, order])


def page_answer(
    reader: Reader, workspace_id: str, period: Period, reasons: tuple[str, ...], order: Order, after: Position | None, limit: int, as_of_ms: int | None
) -> Json:
    """`answers.RejectedPage`."""
    rows = reader.rows(_page(workspace_id, period, reasons, order, after, limit + 1))
    page = [dict(zip(FIELDS, row, strict=True)) for row in rows[:limit]]
    more = None
    if len(rows) > limit:
        more = write_cursor(Cursor(binding(workspace_id, reasons, order), period.from_ms, period.to_ms, page[-1]["log_time"], page[-1]["rejected_id"]))
    return {
        "workspace_id": workspace_id,
        "as_of": period.local_or_none(as_of_ms),
        "range": range_echo(period),
        "rejected": [fields | {"log_time": period.local(fields["log_time"])} for fields in page],
        "next_cursor": more,
    }


def _page(workspace_id: str, period: Period, reasons: tuple[str, ...], order: Order, after: Position | None, limit: int) -> Statement:
    beyond, direction = (">", "ASC") if order == "asc" else ("<", "DESC")
    seek = f" AND (log_time, rejected_id) {beyond} (fromUnixTimestamp64Milli({{after_start:Int64}}, 'UTC'), {{after_id:String}})" if after else ""
    why = " AND reason IN {reasons:Array(String)}" if reasons else ""
    fields = ", ".join("toUnixTimestamp64Milli(log_time)" if field == "log_time" else field for field in FIELDS)
    text = f"""SELECT {fields}
FROM rejected_events FINAL
WHERE workspace_id = {{workspace:String}} AND status = 'closed' AND log_time >= {FROM} AND log_time < {TO}{why}{seek}
ORDER BY log_time {direction}, rejected_id {direction}
LIMIT {{limit:UInt32}}"""
    parameters: dict[str, object] = {"workspace": workspace_id, "from": period.from_ms, "to": period.to_ms, "limit": limit}
    position = {"after_start": after.start_ms, "after_id": after.row_id} if after else {}
    return Statement(text, parameters | position | ({"reasons": list(reasons)} if reasons else {}))

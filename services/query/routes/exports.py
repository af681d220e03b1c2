"""All sessions of a range as one file, and the manifest of what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.accounts.keys import Principal
from services.query.answers import Manifest
from services.query.days import Days, day_of
from services.query.export_statements import export_statement, pieces, raw_rows_statement, rows_by_t0_day
from services.query.exports import CsvMeter, finished, stream
from services.query.freshness import Reach
from services.query.parameters import SessionParameters
from services.query.periods import Period
from services.query.problems import Problem
from services.query.routes.common import (
    CSV_ANSWER,
    CSV_TYPE,
    PROBLEMS,
    Asked,
    Exports,
    Id,
    asked_of,
    attachment,
    days_of,
    file_name,
    filter_of,
    json_answer,
    period_of,
)
from services.query.session_statements import SessionQuestion
from services.query.trends import Json, range_echo

export_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)

EXPORT_HEADERS: Final[dict[str, Any]] = {
    "X-Export-Id": {"description": "Its manifest is at /v1/usage/exports/{this}.", "schema": {"type": "string"}},
    "X-Expected-Rows": {"description": "For progress: about how many rows will come.", "schema": {"type": "integer"}},
}
_EXPORTED: Final[dict[int | str, dict[str, Any]]] = {200: {**CSV_ANSWER[200], "headers": EXPORT_HEADERS}}


@export_routes.get("/sessions.csv", summary="All billed sessions of a range as CSV", response_class=Response, responses=_EXPORTED)
def sessions_csv(request: Request, principal: Exports, parameters: Annotated[SessionParameters, Query()]) -> Response:
    """The columns are the platform's; every time carries the offset of the zone. A text that a spreadsheet would run as a formula has a leading apostrophe.
    A download that breaks off is an error of the transfer, and its manifest says `broken`."""
    asked = asked_of(request, principal, parameters.app_id)
    return export(asked, principal, SessionQuestion(asked.scope, period_of(parameters, asked.now_ms), filter_of(parameters, parameters.type)))


@export_routes.get("/exports/{export_id}", summary="What a whole export holds", response_model=Manifest)
def manifest(request: Request, principal: Exports, export_id: Id) -> Response:
    """Compare rows, bytes and SHA-256 with what arrived. Kept for 30 days."""
    asked = asked_of(request, principal, [])
    found = asked.shell.accounts.find_export(principal, export_id)
    if found is None:
        raise Problem(404, "not_found", "There is no export with this id that the key may see.")
    return json_answer(found)


def export(asked: Asked, principal: Principal, question: SessionQuestion) -> Response:
    reader, period, reach, accounts = asked.reader, question.period, asked.reach, asked.shell.accounts
    days = days_of(asked, period, reach)
    rows = rows_by_t0_day(days) | (dict(reader.rows(raw_rows_statement(asked.scope, days.uncounted))) if days.uncounted else {})
    parts = list(pieces(rows, days.of_t0(period.from_ms, period.to_ms)))
    statements = (export_statement(question, piece, titles=number == 0) for number, piece in enumerate(parts))
    draft = _manifest(question, reach, asked.now_ms, _expected(days, period, rows))
    accounts.begin_export(principal, draft, datetime.fromtimestamp(asked.now_ms / 1000, UTC))
    meter = CsvMeter()

    def ended(state: str) -> None:
        accounts.end_export(draft["export_id"], finished(draft, meter, state), datetime.fromtimestamp(asked.shell.clock_ms() / 1000, UTC))

    chunks = stream(reader, statements, meter, ended)
    headers = {"X-Export-Id": draft["export_id"], "X-Expected-Rows": str(draft["rows_expected"])}
    headers["Link"] = f'</v1/usage/exports/{draft["export_id"]}>; rel="describedby"'
    return StreamingResponse(_begun(chunks), media_type=CSV_TYPE, headers=headers | attachment(draft["file_name"]))


def _expected(days: Days, period: Period, raw_rows: dict[str, int]) -> int:
    first, last = day_of(period.from_ms), day_of(period.to_ms - 1)
    counted = sum(count for start_day, t0_day, count in days.counted if first <= start_day <= last and t0_day not in days.uncounted)
    return counted + sum(raw_rows.get(day, 0) for day in days.uncounted if day >= first)


def _manifest(question: SessionQuestion, reach: Reach, now_ms: int, rows_expected: int) -> Json:
    period, which = question.period, question.which
    filters = {"type": which.types, "channel": which.channels, "conversation_id": which.conversation_ids}
    filters |= {"kore_user_id": which.kore_user_ids, "channel_user_id": which.channel_user_ids}
    return {
        "export_id": uuid4().hex,
        "state": "running",
        "file_name": file_name("billing-sessions", period),
        "workspace_id": question.scope.workspace_id,
        "app_ids": list(question.scope.app_ids),
        "filters": {name: list(values) for name, values in filters.items() if values},
        "range": range_echo(period),
        "as_of": period.local_or_none(reach.as_of_ms),
        "rows_expected": rows_expected,
        "rows": None,
        "bytes": None,
        "sha256": None,
        "created_at": period.local(now_ms),
    }


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks; the first is here already, so that a statement that fails at once is a problem and not half a file."""
    return chain([next(chunks, b"")], chunks)

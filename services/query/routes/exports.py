"""All sessions of a range as one file, and the manifest of what it holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.accounts.keys import Principal
from services.query.answers import Manifest
from services.query.days import Days, day_of
from services.query.export_statements import export_statement, pieces, raw_rows_statement, rows_by_t0_day
from services.query.freshness import Reach
from services.query.parameters import SessionParameters
from services.query.periods import Period
from services.query.problems import Problem
from services.query.routes.closed import NOT_MODIFIED, answered
from services.query.routes.common import NOT_FOUND, PROBLEMS, Asked, Exports, Id, asked_of, days_of, filter_of, json_answer, period_of
from services.query.routes.files import FILE_ANSWER, File, sent
from services.query.session_statements import SessionQuestion
from services.query.tags import SESSIONS

export_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)


@export_routes.get("/sessions.csv", summary="All billed sessions of a range as CSV", response_class=Response, responses=FILE_ANSWER | NOT_MODIFIED)
def sessions_csv(request: Request, principal: Exports, parameters: Annotated[SessionParameters, Query()]) -> Response:
    """The columns are the platform's; every time carries the offset of the zone. A text that a spreadsheet would run as a formula has a leading apostrophe.
    A download that breaks off is an error of the transfer, and its manifest says `broken`."""
    asked = asked_of(request, principal, parameters.app_id)
    return export(request, asked, principal, SessionQuestion(asked.scope, period_of(parameters, asked.now_ms), filter_of(parameters, parameters.type)))


@export_routes.get("/exports/{export_id}", summary="What a whole export holds", response_model=Manifest, responses=NOT_FOUND)
def manifest(request: Request, principal: Exports, export_id: Id) -> Response:
    """Compare rows, bytes and SHA-256 with what arrived. Kept for 30 days."""
    asked = asked_of(request, principal, [])
    found = asked.shell.accounts.find_export(principal, export_id)
    if found is None:
        raise Problem(404, "not_found", "There is no export with this id that the key may see.")
    return json_answer(found)


def export(request: Request, asked: Asked, principal: Principal, question: SessionQuestion) -> Response:
    """All sessions of the question as a file."""
    period, reach = question.period, asked.watermark
    span = (period.from_ms, period.to_ms)
    return answered(request, asked, reach, span, SESSIONS, lambda: sent(asked, reach, principal, _file(asked, reach, question)))


def _file(asked: Asked, reach: Reach, question: SessionQuestion) -> File:
    period, which = question.period, question.which
    days = days_of(asked, reach)(period.from_ms, period.to_ms)
    raw_rows: dict[str, int] = dict(asked.reader.rows(raw_rows_statement(asked.scope, days.uncounted))) if days.uncounted else {}
    rows = rows_by_t0_day(days) | raw_rows
    parts = pieces(rows, days.of_t0(period.from_ms, period.to_ms))
    filters = {"type": which.types, "channel": which.channels, "conversation_id": which.conversation_ids}
    filters |= {"kore_user_id": which.kore_user_ids, "channel_user_id": which.channel_user_ids}
    statements = (export_statement(question, piece, titles=number == 0) for number, piece in enumerate(parts))
    return File("billing-sessions", period, filters, _expected(days, period, rows), statements)


def _expected(days: Days, period: Period, rows_by_day: dict[str, int]) -> int:
    first, last = day_of(period.from_ms), day_of(period.to_ms - 1)
    counted = sum(count for start_day, t0_day, count in days.counted if first <= start_day <= last and t0_day not in days.uncounted)
    return counted + sum(rows_by_day.get(day, 0) for day in days.uncounted if day >= first)

"""Billed sessions: by pages, and one with what explains it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.query import sessions as lists
from services.query.answers import OneSession, SessionPage
from services.query.cursor import read_cursor
from services.query.parameters import PageParameters, ZoneParameters
from services.query.periods import read_period
from services.query.problems import Problem
from services.query.routes.closed import NOT_MODIFIED, answered
from services.query.routes.common import (
    NOT_FOUND,
    PROBLEMS,
    Id,
    Reads,
    asked_of,
    days_of,
    filter_of,
    json_answer,
    period_of,
    period_of_cursor,
    wants_csv,
)
from services.query.routes.exports import export
from services.query.routes.files import FILE_ANSWER, may_export
from services.query.session_statements import SessionQuestion
from services.query.tags import SESSIONS

session_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)


@session_routes.get("/sessions", summary="Billed sessions, by pages", response_model=SessionPage, responses=FILE_ANSWER | NOT_MODIFIED)
def sessions(request: Request, principal: Reads, parameters: Annotated[PageParameters, Query()]) -> Response:
    """As CSV it is the export: all of the range, with the platform's columns."""
    asked = asked_of(request, principal, parameters.app_id)
    question = SessionQuestion(asked.scope, period_of(parameters, asked.now_ms), filter_of(parameters, parameters.type), parameters.order)
    if wants_csv(request, parameters.format):
        may_export(principal)
        return export(request, asked, principal, question)
    cursor = read_cursor(parameters.cursor, lists.binding(question)) if parameters.cursor else None
    if cursor:
        question = replace(question, period=period_of_cursor(cursor, question.period))
    reach = asked.watermark
    period, after = question.period, cursor.position if cursor else None

    def answer() -> Response:
        return json_answer(lists.page_answer(asked.reader, question, days_of(asked, reach), after, parameters.limit, reach.as_of_ms))

    return answered(request, asked, reach, (period.from_ms, period.to_ms), SESSIONS, answer)


@session_routes.get("/sessions/{billing_session_id}", summary="One session, and why it is", response_model=OneSession, responses=NOT_FOUND)
def one_session(request: Request, principal: Reads, billing_session_id: Id, parameters: Annotated[ZoneParameters, Query()]) -> Response:
    """With its conversation and all sessions of it."""
    asked = asked_of(request, principal, [])
    period = read_period(asked.now_ms, timezone=parameters.timezone)
    answer = lists.one_answer(asked.reader, asked.scope, billing_session_id, period)
    if answer is None:
        raise Problem(404, "not_found", "There is no session with this id that the key may see.")
    return json_answer(answer)

"""Billed sessions: by pages, and as one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.query import sessions as lists
from services.query.answers import SessionPage
from services.query.cursor import Cursor, CursorError, read_cursor
from services.query.parameters import PageParameters, SessionParameters
from services.query.periods import Period, cut
from services.query.routes.common import CSV_TYPE, PROBLEMS, Exports, Reads, asked_of, attachment, file_name, period_of
from services.query.session_statements import SessionFilter, SessionQuestion, session_export

session_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)


@session_routes.get("/sessions", summary="Billed sessions, by pages")
def sessions(request: Request, principal: Reads, parameters: Annotated[PageParameters, Query()]) -> SessionPage:
    asked = asked_of(request, principal, parameters.app_id)
    reader, as_of_ms = asked.shell.reader, asked.reach.as_of_ms
    question = SessionQuestion(asked.scope, period_of(parameters, asked.now_ms), _filter(parameters), parameters.order)
    if not parameters.cursor:
        return lists.sessions(reader, question, None, parameters.limit, as_of_ms)
    cursor = read_cursor(parameters.cursor, lists.binding(question))
    question = replace(question, period=_period_of_cursor(cursor, question.period))
    return lists.sessions(reader, question, cursor.position, parameters.limit, as_of_ms)


@session_routes.get("/sessions.csv", summary="All billed sessions of a range as CSV", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def sessions_csv(request: Request, principal: Exports, parameters: Annotated[SessionParameters, Query()]) -> Response:
    """The columns are the platform's. A text that a spreadsheet would run as a formula (`= + - @`, tab, return) has a leading apostrophe.
    A download that breaks off is an error of the transfer: what arrived whole is whole."""
    asked = asked_of(request, principal, parameters.app_id)
    period = period_of(parameters, asked.now_ms)
    chunks = asked.shell.reader.stream(session_export(SessionQuestion(asked.scope, period, _filter(parameters))))
    return StreamingResponse(_begun(chunks), media_type=CSV_TYPE, headers=attachment(file_name("billing-sessions", period)))


def _period_of_cursor(cursor: Cursor, asked: Period) -> Period:
    """The range in which the first page was read: a named range may have moved on since; another custom range is another question."""
    if asked.range_name is None and (cursor.from_ms, cursor.to_ms) != (asked.from_ms, asked.to_ms):
        raise CursorError("the cursor belongs to a question with another range")
    return replace(asked, edges_ms=cut(cursor.from_ms, cursor.to_ms, "month", asked.zone))


def _filter(asked: SessionParameters) -> SessionFilter:
    types, channels, conversations = (tuple(sorted(set(texts))) for texts in (asked.type, asked.channel, asked.conversation_id))
    return SessionFilter(types, channels, conversations)


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks; the first is here already, so that a statement that fails at once is a problem and not half a file."""
    return chain([next(chunks, b"")], chunks)

"""The pages of the API. A handler reads parameters into the words of the inside, asks, and gives the answer; it decides nothing about numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.responses import JSONResponse

from services.accounts.keys import Principal
from services.query import usage
from services.query.auth import asks, scope_of
from services.query.cursor import Cursor, CursorError, read_cursor
from services.query.models import Health, PageParameters, RangeParameters, SeatParameters, Seats, SessionPage, SessionParameters, TrendParameters, Trends
from services.query.periods import Interval, Period, cut, read_period
from services.query.problems import MEDIA_TYPE, ProblemBody
from services.query.session_statements import SessionFilter, SessionQuestion, session_export
from services.query.shell import Shell, shell_of
from services.runtime.errors import ServiceError

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": ProblemBody.model_json_schema()}}}
    for status, description in {
        401: "No usable API key.",
        403: "The key may not do or see this.",
        422: "A parameter is wrong; `errors` names it.",
        500: "An error of ours.",
        503: "A database does not answer, or the question is too expensive.",
    }.items()
}

usage_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=_PROBLEMS)
health_routes = APIRouter(tags=["health"])

Reads = Annotated[Principal, Depends(asks("read"))]
Exports = Annotated[Principal, Depends(asks("export"))]


@usage_routes.get("/trends", summary="Sessions, conversations and seats by period")
def trends(request: Request, principal: Reads, asked: Annotated[TrendParameters, Query()]) -> Trends:
    shell = shell_of(request)
    now_ms = shell.clock_ms()
    return usage.trends(shell.reader, scope_of(principal, asked.app_id), _period(asked, now_ms, asked.interval), now_ms)


@usage_routes.get("/seats", summary="Concurrent seats, named seats and agents of a range")
def seats(request: Request, principal: Reads, asked: Annotated[SeatParameters, Query()]) -> Seats:
    shell = shell_of(request)
    now_ms = shell.clock_ms()
    return usage.seats(shell.reader, scope_of(principal, asked.app_id), _period(asked, now_ms), now_ms)


@usage_routes.get("/sessions", summary="Billed sessions, by pages")
def sessions(request: Request, principal: Reads, asked: Annotated[PageParameters, Query()]) -> SessionPage:
    shell = shell_of(request)
    now_ms = shell.clock_ms()
    question = SessionQuestion(scope_of(principal, asked.app_id), _period(asked, now_ms), _filter(asked), asked.order)
    if not asked.cursor:
        return usage.sessions(shell.reader, question, None, asked.limit, now_ms)
    cursor = read_cursor(asked.cursor, usage.binding(question))
    question = replace(question, period=_period_of_cursor(cursor, question.period))
    return usage.sessions(shell.reader, question, cursor.position, asked.limit, now_ms)


@usage_routes.get("/sessions.csv", summary="All billed sessions of a range as CSV", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def sessions_csv(request: Request, principal: Exports, asked: Annotated[SessionParameters, Query()]) -> Response:
    """The columns are the platform's. A text that a spreadsheet would run as a formula (`= + - @`, tab, return) has a leading apostrophe.
    A download that breaks off is an error of the transfer: what arrived whole is whole."""
    shell = shell_of(request)
    period = _period(asked, shell.clock_ms())
    chunks = shell.reader.stream(session_export(SessionQuestion(scope_of(principal, asked.app_id), period, _filter(asked))))
    headers = {"Content-Disposition": f'attachment; filename="{_file_name(period)}"'}
    return StreamingResponse(_begun(chunks), media_type="text/csv; charset=utf-8; header=present", headers=headers)


@health_routes.get("/livez", summary="The process runs")
def livez() -> dict[str, bool]:
    return {"live": True}


@health_routes.get("/readyz", summary="The databases answer", responses={200: {"model": Health}, 503: {"model": Health}}, response_class=JSONResponse)
def readyz(request: Request) -> JSONResponse:
    checks = readiness(shell_of(request))
    ready = all(checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


def readiness(shell: Shell) -> dict[str, bool]:
    """Whether each database has what the questions need."""

    def answers(check: Any) -> bool:
        try:
            check()
        except ServiceError:
            return False
        return True

    return {"clickhouse": answers(shell.reader.check), "postgres": answers(shell.accounts.check)}


def _period(asked: RangeParameters, now_ms: int, interval: Interval | None = None) -> Period:
    return read_period(now_ms, timezone=asked.timezone, range_name=asked.range, from_text=asked.from_, to_text=asked.to, interval=interval)


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


def _file_name(period: Period) -> str:
    """Of our own words only: the header must not carry what somebody sent."""
    first, end = (period.local(instant_ms)[:10] for instant_ms in (period.from_ms, period.to_ms))
    return f"billing-sessions_{first}_{end}_{period.zone.key.replace('/', '-')}.csv"

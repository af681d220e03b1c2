"""Trends and seats of a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.query.answers import Seats, Trends
from services.query.counts import count_rows, counts_statement
from services.query.freshness import Reach
from services.query.parameters import SeatParameters, TrendParameters
from services.query.periods import Period, PeriodError
from services.query.routes.closed import KEPT, NOT_MODIFIED, answered
from services.query.routes.common import (
    CSV_ANSWER,
    PROBLEMS,
    Asked,
    Reads,
    asked_of,
    csv_answer,
    days_of,
    file_name,
    json_answer,
    period_of,
    wants_csv,
)  # fmt: skip
from services.query.seats import seats_answer
from services.query.side_by_side import rows_of_each
from services.query.statement import Row, Statement
from services.query.tags import SEATS, SESSIONS
from services.query.trend_statements import TrendQuestion, seats_statements, trend_statements
from services.query.trends import Json, trend_answer

CELLS_MAX = 100_000
"""Buckets times groups of one answer: 20 MB of JSON."""

trend_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)

_COUNTS = ("sessions", "billing_sessions", "voice_sessions", "alert_sessions", "conversations", "concurrent_seats", "peak_at", "named_seats", "agent_count")


@trend_routes.get("/trends", summary="Sessions, conversations and seats by period", response_model=Trends, responses=CSV_ANSWER | NOT_MODIFIED)
def trends(request: Request, principal: Reads, parameters: Annotated[TrendParameters, Query()]) -> Response:
    """Every bucket of the range is in the answer. As CSV: one row for each bucket and group; all together has an empty group."""
    asked = asked_of(request, principal, parameters.app_id)
    period = period_of(parameters, asked.now_ms, parameters.interval)
    reach, previous = asked.reach, period.before() if parameters.compare else None

    def answer() -> Response:
        found = _trends(asked, reach, period, previous, parameters)
        return _as_csv(found, period) if wants_csv(request, parameters.format) else json_answer(found)

    return answered(request, asked, reach, ((previous or period).from_ms, period.to_ms), (*SESSIONS, *SEATS), answer, keeps=KEPT)


@trend_routes.get("/seats", summary="Concurrent seats, named seats and agents of a range", response_model=Seats, responses=NOT_MODIFIED)
def seats(request: Request, principal: Reads, parameters: Annotated[SeatParameters, Query()]) -> Response:
    """Of the scope together and of every app in it."""
    asked = asked_of(request, principal, parameters.app_id)
    period = period_of(parameters, asked.now_ms)
    reach, bounds_ms = asked.reach, (period.from_ms, period.to_ms)
    question = TrendQuestion(asked.scope, bounds_ms, bounds_ms, reach.known_ms(asked.now_ms), group_by="app", has_agents=reach.has_agents)

    def answer() -> Response:
        return json_answer(seats_answer(question, period, reach, _rows(asked, seats_statements(question))))

    return answered(request, asked, reach, bounds_ms, SEATS, answer, keeps=KEPT)


def _trends(asked: Asked, reach: Reach, period: Period, previous: Period | None, parameters: TrendParameters) -> Json:
    edges_ms = (*previous.starts_ms, *period.edges_ms) if previous else period.edges_ms
    bounds_ms = (*((previous.from_ms,) if previous else ()), period.from_ms, period.to_ms)
    days = reach.uncounted_until(period.to_ms)
    channels, types = sorted(set(parameters.channel)), sorted(set(parameters.type))
    known_ms = reach.known_ms(asked.now_ms)
    question = TrendQuestion(asked.scope, edges_ms, bounds_ms, known_ms, tuple(channels), tuple(types), parameters.group_by, days, reach.has_agents)
    if question.cuts_quarters:
        span = (edges_ms[0], edges_ms[-1])
        question = replace(question, uncounted_days=tuple(days_of(asked, reach)(*span).of_t0(*span)))
    rows = _trend_rows(asked, question)
    if question.group_by and len({row[1] for row in rows}) * len(edges_ms) > CELLS_MAX:
        raise PeriodError("interval", f"Buckets times groups are more than {CELLS_MAX}; choose a longer interval, a shorter range or fewer apps.")
    return trend_answer(question, period, previous, reach, rows)


def _trend_rows(asked: Asked, question: TrendQuestion) -> list[Row]:
    """From the counts by quarter, which know no other edges, and from all else, side by side."""
    statements = trend_statements(question)
    if question.cuts_quarters:
        return _rows(asked, statements)
    counts, *others = rows_of_each(asked.reader, [counts_statement(question), *statements])
    return [*count_rows(question, counts), *chain(*others)]


def _rows(asked: Asked, statements: Sequence[Statement]) -> list[Row]:
    return list(chain(*rows_of_each(asked.reader, statements)))


def _as_csv(answer: Json, period: Period) -> Response:
    titles = ("period", "start", "end", "timezone", "state", "group", *_COUNTS)
    rows = [row for name in ("current", "previous") for row in _csv_rows(name, answer if name == "current" else answer["previous"])]
    return csv_answer(titles, rows, file_name("usage", period))


def _csv_rows(name: str, part: Json | None) -> list[list[Any]]:
    if part is None:
        return []
    heads = [(name, bucket["start"], bucket["end"], part["range"]["timezone"], bucket["state"]) for bucket in part["buckets"]]
    series = [("", part["buckets"]), *((group["key"], group["buckets"]) for group in part["groups"])]
    return [[*head, key, *(counts[field] for field in _COUNTS)] for key, buckets in series for head, counts in zip(heads, buckets, strict=True)]

"""Lists beside the sessions: conversations, refused events, and the agents of an instant."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.query import conversations as talks
from services.query import rejected as refusals
from services.query.agents import agents_answer, agents_statement
from services.query.answers import Agents, ConversationPage, RejectedPage
from services.query.conversations import ConversationQuestion
from services.query.cursor import read_cursor
from services.query.freshness import Reach
from services.query.parameters import AgentParameters, ConversationParameters, RejectedParameters
from services.query.periods import Period, read_instant, read_period
from services.query.problems import Problem
from services.query.routes.common import PROBLEMS, Asked, Reads, asked_of, days_of, filter_of, json_answer, period_of, period_of_cursor
from services.query.trend_statements import TrendQuestion, seats_statement
from services.query.trends import Table

list_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)


@list_routes.get("/conversations", summary="Conversations, by pages", response_model=ConversationPage)
def conversations(request: Request, principal: Reads, parameters: Annotated[ConversationParameters, Query()]) -> Response:
    """Episodes (U3) with at least one session, by start. Calls and alerts are no conversations."""
    asked = asked_of(request, principal, parameters.app_id)
    period = period_of(parameters, asked.now_ms)
    question = ConversationQuestion(asked.scope, period, filter_of(parameters), parameters.open, parameters.order)
    cursor = read_cursor(parameters.cursor, talks.binding(question)) if parameters.cursor else None
    if cursor:
        question = replace(question, period=period_of_cursor(cursor, period))
    reach, reader = asked.reach, asked.reader
    days = days_of(asked, question.period, reach)
    return json_answer(talks.page_answer(reader, question, days, cursor.position if cursor else None, parameters.limit, reach.as_of_ms))


@list_routes.get("/rejected", summary="Refused events of the workspace, by pages", response_model=RejectedPage)
def rejected(request: Request, principal: Reads, parameters: Annotated[RejectedParameters, Query()]) -> Response:
    """Those whose workspace could be read from them. They belong to no app: a key of some apps may not see them."""
    if principal.app_ids:
        raise Problem(403, "not_allowed", "Refused events belong to no app: this needs a key of the whole workspace.")
    asked = asked_of(request, principal, [])
    period = read_period(asked.now_ms, timezone=parameters.timezone, range_name=parameters.range, from_text=parameters.from_, to_text=parameters.to)
    reasons, order = tuple(sorted(set(parameters.reason))), parameters.order
    cursor = read_cursor(parameters.cursor, refusals.binding(principal.workspace_id, reasons, order)) if parameters.cursor else None
    if cursor:
        period = period_of_cursor(cursor, period)
    after, as_of_ms = cursor.position if cursor else None, asked.reach.as_of_ms
    return json_answer(refusals.page_answer(asked.reader, principal.workspace_id, period, reasons, order, after, parameters.limit, as_of_ms))


@list_routes.get("/agents", summary="Who was logged in at an instant, or at the peak", response_model=Agents)
def agents(request: Request, principal: Reads, parameters: Annotated[AgentParameters, Query()]) -> Response:
    """With `at`, the range does not apply. The peak is that of the scope together."""
    asked = asked_of(request, principal, parameters.app_id)
    period, reach = period_of(parameters, asked.now_ms), asked.reach
    at_ms = _peak_at_ms(asked, period, reach) if parameters.at == "peak" else read_instant("at", parameters.at)
    rows = [] if at_ms is None else asked.reader.rows(agents_statement(asked.scope, at_ms, reach.known_ms(asked.now_ms)))
    return json_answer(agents_answer(asked.scope, at_ms, reach, period, rows))


def _peak_at_ms(asked: Asked, period: Period, reach: Reach) -> int | None:
    bounds_ms = (period.from_ms, period.to_ms)
    question = TrendQuestion(asked.scope, bounds_ms, bounds_ms, reach.known_ms(asked.now_ms))
    seats, at_ms = Table(asked.reader.rows(seats_statement(question)), asked.scope, reach.assigned_apps).cell("peak", "", period.from_ms)
    return at_ms if seats else None

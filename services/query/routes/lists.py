"""Lists beside the sessions: conversations, refused events, and the agents of an instant."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.query import conversations as talks
from services.query import rejected as refusals
from services.query.agents import AGENT_TITLES, agent_rows, agents_answer, agents_statement
from services.query.answers import Agents, ConversationPage, RejectedPage
from services.query.conversations import ConversationQuestion
from services.query.cursor import read_cursor
from services.query.freshness import Reach
from services.query.list_statements import conversation_count, conversation_files, rejected_days, rejected_files
from services.query.parameters import AgentParameters, ConversationParameters, RejectedParameters
from services.query.periods import Period, read_instant, read_period
from services.query.problems import Problem
from services.query.rejected import RejectedQuestion
from services.query.routes.closed import NOT_MODIFIED, answered
from services.query.routes.common import (
    CSV_ANSWER,
    PROBLEMS,
    Asked,
    Reads,
    asked_of,
    csv_answer,
    days_of,
    file_name,
    filter_of,
    json_answer,
    period_of,
    period_of_cursor,
    wants_csv,
)
from services.query.routes.files import FILE_ANSWER, File, may_export, sent
from services.query.tags import REJECTED, SEATS, SESSIONS
from services.query.trend_statements import TrendQuestion, peaks_statement
from services.query.trends import Table

list_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)


@list_routes.get("/conversations", summary="Conversations, by pages", response_model=ConversationPage, responses=FILE_ANSWER | NOT_MODIFIED)
def conversations(request: Request, principal: Reads, parameters: Annotated[ConversationParameters, Query()]) -> Response:
    """Episodes (U3) with at least one session, by start. Calls and alerts are no conversations. As CSV: all of the range, with a manifest."""
    asked = asked_of(request, principal, parameters.app_id)
    period = period_of(parameters, asked.now_ms)
    question = ConversationQuestion(asked.scope, period, filter_of(parameters), parameters.open, parameters.order)
    as_file = wants_csv(request, parameters.format)
    if as_file:
        may_export(principal)
    cursor = read_cursor(parameters.cursor, talks.binding(question)) if parameters.cursor and not as_file else None
    if cursor:
        question = replace(question, period=period_of_cursor(cursor, period))
    reach, period, after = asked.watermark, question.period, cursor.position if cursor else None

    def answer() -> Response:
        if as_file:
            return sent(asked, reach, principal, _conversation_file(asked, reach, question))
        return json_answer(talks.page_answer(asked.reader, question, days_of(asked, reach), after, parameters.limit, reach.as_of_ms))

    return answered(request, asked, reach, (period.from_ms, period.to_ms), SESSIONS, answer)


@list_routes.get("/rejected", summary="Refused events of the workspace, by pages", response_model=RejectedPage, responses=FILE_ANSWER | NOT_MODIFIED)
def rejected(request: Request, principal: Reads, parameters: Annotated[RejectedParameters, Query()]) -> Response:
    """Those whose workspace could be read from them. They belong to no app: a key of some apps may not see them. As CSV: all of the range, with a manifest."""
    if principal.app_ids:
        raise Problem(403, "not_allowed", "Refused events belong to no app: this needs a key of the whole workspace.")
    asked = asked_of(request, principal, [])
    period = read_period(asked.now_ms, timezone=parameters.timezone, range_name=parameters.range, from_text=parameters.from_, to_text=parameters.to)
    question = RejectedQuestion(principal.workspace_id, period, tuple(sorted(set(parameters.reason))), parameters.order)
    as_file = wants_csv(request, parameters.format)
    if as_file:
        may_export(principal)
    cursor = read_cursor(parameters.cursor, refusals.binding(question)) if parameters.cursor and not as_file else None
    if cursor:
        question = replace(question, period=period_of_cursor(cursor, period))
    after, reach = cursor.position if cursor else None, asked.watermark

    def answer() -> Response:
        if as_file:
            return sent(asked, reach, principal, _rejected_file(asked, question))
        return json_answer(refusals.page_answer(asked.reader, question, after, parameters.limit, reach.as_of_ms))

    return answered(request, asked, reach, (question.period.from_ms, question.period.to_ms), REJECTED, answer)


@list_routes.get("/agents", summary="Who was logged in at an instant, or at the peak", response_model=Agents, responses=CSV_ANSWER | NOT_MODIFIED)
def agents(request: Request, principal: Reads, parameters: Annotated[AgentParameters, Query()]) -> Response:
    """With `at`, the range does not apply. The peak is that of the scope together. As CSV: one row for each login."""
    asked = asked_of(request, principal, parameters.app_id)
    period, reach = period_of(parameters, asked.now_ms), asked.reach
    at_asked_ms = None if parameters.at == "peak" else read_instant("at", parameters.at)

    def answer() -> Response:
        at_ms = _peak_at_ms(asked, period, reach) if at_asked_ms is None else at_asked_ms
        rows = [] if at_ms is None else asked.reader.rows(agents_statement(asked.scope, at_ms, reach.known_ms(asked.now_ms)))
        found = agents_answer(asked.scope, at_ms, reach, period, rows)
        if wants_csv(request, parameters.format):
            return csv_answer(AGENT_TITLES, agent_rows(found), file_name("agents", period))
        return json_answer(found)

    span = (period.from_ms, period.to_ms) if at_asked_ms is None else (at_asked_ms, at_asked_ms + 1)
    return answered(request, asked, reach, span, SEATS, answer)


def _conversation_file(asked: Asked, reach: Reach, question: ConversationQuestion) -> File:
    days = days_of(asked, reach)(question.period.from_ms, question.period.to_ms)
    which, [[rows]] = question.which, asked.reader.rows(conversation_count(question))
    filters = {"channel": which.channels, "conversation_id": which.conversation_ids, "kore_user_id": which.kore_user_ids}
    filters |= {"channel_user_id": which.channel_user_ids, "open": () if question.is_open is None else (str(question.is_open).lower(),)}
    return File("conversations", question.period, filters, rows, conversation_files(question, days))


def _rejected_file(asked: Asked, question: RejectedQuestion) -> File:
    rows_by_day: dict[str, int] = dict(asked.reader.rows(rejected_days(question)))
    return File("rejected", question.period, {"reason": question.reasons}, sum(rows_by_day.values()), rejected_files(question, rows_by_day))


def _peak_at_ms(asked: Asked, period: Period, reach: Reach) -> int | None:
    bounds_ms = (period.from_ms, period.to_ms)
    question = TrendQuestion(asked.scope, bounds_ms, bounds_ms, reach.known_ms(asked.now_ms))
    seats, at_ms = Table(asked.reader.rows(peaks_statement(question)), asked.scope, reach.assigned_apps).cell("peak", "", period.from_ms)
    return at_ms if seats else None

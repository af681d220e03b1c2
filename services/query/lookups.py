"""Look up one thing: a billed session by its id, and the agents who were logged in at an instant (S2, S7). Pure but for the reader it is given.

Limit: an id stands in no index; finding one reads the id column of the workspace, newest revision first, without the cost of FINAL.
"""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

from services.meters.rules import Rules
from services.query.answers import AgentsAtInstant, Session
from services.query.cursor import Position
from services.query.periods import Period, local_text
from services.query.session_statements import SessionFilter, SessionQuestion
from services.query.sessions import sessions
from services.query.statement import Reader, Scope, Statement, scope_parameters, scope_sql

_LOGIN_TIMEOUT_MS: Final = Rules().login_timeout_ms
_SAME_BUT_LAST: Final = 16
"""Ids are hex digits: so many share all digits but the last."""


def session(reader: Reader, scope: Scope, billing_session_id: str, zone: ZoneInfo) -> Session | None:
    """The session as lists show it; None: the scope has none, or it was taken back (T3)."""
    found = reader.rows(_start_statement(scope, billing_session_id))
    if not found:
        return None
    [(start_ms,)] = found
    question = SessionQuestion(scope, Period(zone, "day", None, (start_ms, start_ms + 1)), SessionFilter())
    page = sessions(reader, question, Position(start_ms, billing_session_id[:-1]), _SAME_BUT_LAST, None)
    return next((each for each in page.sessions if each.billing_session_id == billing_session_id), None)


def agents_at(reader: Reader, scope: Scope, at_ms: int, known_ms: int, zone: ZoneInfo) -> AgentsAtInstant:
    """Every agent once, by id; `known_ms` is the watermark: a login that has not ended lasts until then at least."""

    def agent(agent_id: str, app_ids: list[str], since_ms: int, until_ms: int | None) -> dict[str, Any]:
        until = None if until_ms is None else local_text(until_ms, zone)
        return {"agent_id": agent_id, "app_ids": app_ids, "since": local_text(since_ms, zone), "until": until}

    agents = [agent(*row) for row in reader.rows(agents_statement(scope, at_ms, known_ms))]
    return AgentsAtInstant.model_validate({"workspace_id": scope.workspace_id, "app_ids": list(scope.app_ids), "at": local_text(at_ms, zone), "agents": agents})


def agents_statement(scope: Scope, at_ms: int, known_ms: int) -> Statement:
    """Rows (agent, apps, since_ms, until_ms), by agent; until_ms is null while a login of the agent is open."""
    at = "fromUnixTimestamp64Milli({at:Int64}, 'UTC')"
    mine = " AND hasAny(app_ids, {apps:Array(String)})" if scope.app_ids else ""
    served = "arrayFilter(app -> has({apps:Array(String)}, app), app_ids)" if scope.app_ids else "app_ids"
    text = f"""SELECT agent_id, arraySort(groupUniqArrayArray({served})) AS apps, toUnixTimestamp64Milli(min(start)) AS since_ms,
    if(countIf(end IS NULL) > 0, NULL, toUnixTimestamp64Milli(max(end))) AS until_ms
FROM v_agent_logins
WHERE workspace_id = {{workspace:String}}{mine} AND start <= {at} AND start > {at} - INTERVAL {_LOGIN_TIMEOUT_MS} MILLISECOND
    AND ifNull(toUnixTimestamp64Milli(end), least({{known:Int64}}, toUnixTimestamp64Milli(start) + {_LOGIN_TIMEOUT_MS})) > {{at:Int64}}
GROUP BY agent_id ORDER BY agent_id"""
    return Statement(text, scope_parameters(scope) | {"at": at_ms, "known": known_ms})


def _start_statement(scope: Scope, billing_session_id: str) -> Statement:
    """One row (start_ms), or none."""
    text = f"""SELECT toUnixTimestamp64Milli(argMax(start, revision)) AS start_ms
FROM billing_sessions
WHERE {scope_sql(scope)} AND billing_session_id = {{id:String}}
HAVING count() > 0 AND argMax(status, revision) = 'closed'"""
    return Statement(text, scope_parameters(scope) | {"id": billing_session_id})

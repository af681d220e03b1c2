"""Who was logged in at an instant (S1, S2, S7). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from services.query.freshness import Reach
from services.query.periods import Period
from services.query.seat_statements import LOGIN_TIMEOUT_MS
from services.query.statement import Scope, Statement, logins_sql, scope_parameters, served_sql
from services.query.trends import Json

AGENT_TITLES: Final = ("at", "agent_id", "login_id", "app_ids", "start", "end")
"""Of the CSV: a row for each login; its apps are a JSON list."""


def agents_statement(scope: Scope, at_ms: int, known_ms: int) -> Statement:
    """Rows (agent, login, apps, start_ms, end_ms or null), by agent and start: the logins that hold the instant, start <= at < end."""
    text = f"""SELECT agent_id, login_id, {served_sql(scope)}, toUnixTimestamp64Milli(start) AS since_ms, toUnixTimestamp64Milli(end) AS until_ms
FROM agent_logins FINAL
WHERE {logins_sql(scope)} AND status = 'closed'
    AND since_ms <= {{at:Int64}} AND since_ms > {{at:Int64}} - {LOGIN_TIMEOUT_MS}
    AND if(until_ms IS NULL, {{at:Int64}} <= {{known:Int64}}, {{at:Int64}} < until_ms)
ORDER BY agent_id, since_ms, login_id"""
    return Statement(text, scope_parameters(scope) | {"at": at_ms, "known": known_ms})


def agents_answer(scope: Scope, at_ms: int | None, reach: Reach, period: Period, rows: Iterable[Sequence[Any]]) -> Json:
    """`answers.Agents`. Of `period` only the zone counts."""
    return {
        "workspace_id": scope.workspace_id,
        "app_ids": list(scope.app_ids),
        "as_of": period.local_or_none(reach.as_of_ms),
        "at": period.local_or_none(at_ms),
        "agents": [_agent(agent_id, list(logins), period) for agent_id, logins in groupby(rows, key=lambda row: row[0])],
    }


def agent_rows(answer: Json) -> Iterator[list[object]]:
    """The logins of an answer, under AGENT_TITLES."""
    for agent in answer["agents"]:
        for login in agent["logins"]:
            yield [answer["at"], agent["agent_id"], login["login_id"], msgspec.json.encode(login["app_ids"]).decode(), login["start"], login["end"]]


def _agent(agent_id: str, rows: Sequence[Sequence[Any]], period: Period) -> Json:
    ends_ms = [end_ms for *_, end_ms in rows]
    return {
        "agent_id": agent_id,
        "app_ids": sorted({app_id for _, _, app_ids, _, _ in rows for app_id in app_ids}),
        "since": period.local(min(start_ms for *_, start_ms, _ in rows)),
        "until": None if None in ends_ms else period.local(max(ends_ms)),
        "logins": [_login(row, period) for row in rows],
    }


def _login(row: Sequence[Any], period: Period) -> Json:
    _, login_id, app_ids, start_ms, end_ms = row
    return {"login_id": login_id, "app_ids": app_ids, "start": period.local(start_ms), "end": period.local_or_none(end_ms)}

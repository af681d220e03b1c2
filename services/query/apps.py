"""The apps of a scope: every one that has a session, a login or an assignment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from services.query.freshness import Reach
from services.query.periods import local_text
from services.query.statement import Scope, Statement, scope_parameters, scope_sql
from services.query.trends import Json


def apps_statement(scope: Scope) -> Statement:
    """Rows (app, channels, sessions, first_ms, last_ms), by app; the instants are 0 where there is no session."""
    served = "arrayFilter(app -> has({apps:Array(String)}, app), app_ids)" if scope.app_ids else "app_ids"
    text = f"""SELECT app, arraySort(groupUniqArrayArray(channels)) AS channels, sum(n) AS sessions, max(first) AS first_ms, max(last) AS last_ms
FROM (
    SELECT app_id AS app, groupUniqArray(CAST(channel, 'String')) AS channels, count() AS n,
        toUnixTimestamp64Milli(min(start)) AS first, toUnixTimestamp64Milli(max(start)) AS last
    FROM v_billing_sessions WHERE {scope_sql(scope)} GROUP BY app
    UNION ALL
    SELECT arrayJoin({served}) AS app, CAST([], 'Array(String)') AS channels, 0 AS n, 0 AS first, 0 AS last
    FROM v_agent_logins WHERE workspace_id = {{workspace:String}} GROUP BY app
    UNION ALL
    SELECT app_id AS app, CAST([], 'Array(String)') AS channels, 0 AS n, 0 AS first, 0 AS last
    FROM v_agent_assignments WHERE {scope_sql(scope)} GROUP BY app
)
GROUP BY app ORDER BY app"""
    return Statement(text, scope_parameters(scope))


def apps_answer(scope: Scope, reach: Reach, zone: ZoneInfo, rows: Iterable[Sequence[Any]]) -> Json:
    """`answers.Apps`."""

    def app(app_id: str, channels: list[str], sessions: int, first_ms: int, last_ms: int) -> Json:
        first, last = (local_text(instant_ms, zone) if sessions else None for instant_ms in (first_ms, last_ms))
        return {"app_id": app_id, "name": "", "channels": channels, "sessions": sessions, "first": first, "last": last}

    as_of = None if reach.as_of_ms is None else local_text(reach.as_of_ms, zone)
    return {"workspace_id": scope.workspace_id, "as_of": as_of, "apps": [app(*row) for row in rows]}

"""The apps of a scope: every one that has a session, a login, an assignment or a name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from services.query.freshness import Reach
from services.query.periods import local_text
from services.query.statement import Scope, Statement, scope_parameters, scope_sql, served_sql
from services.query.trends import Json


def apps_statement(scope: Scope, uncounted_days: Sequence[str]) -> Statement:
    """Rows (app, channels, sessions, first_ms, last_ms), by app; the instants are starts of quarters, 0 where there is no session."""
    valid = " AND t0_day NOT IN {uncounted:Array(Date)}" if uncounted_days else ""
    parts = [
        f"""SELECT app_id AS app, CAST(channel, 'String') AS one, toInt64(total) AS n,
        toInt64(toUnixTimestamp(start_day) + (arrayFirstIndex(n -> n > 0, counts) - 1) * 900) * 1000 AS first,
        toInt64(toUnixTimestamp(start_day) + (arrayLastIndex(n -> n > 0, counts) - 1) * 900) * 1000 AS last
    FROM usage_counts FINAL WHERE {scope_sql(scope)} AND cut = 'app+channel' AND kind != 'conversations' AND n > 0{valid}""",
        f"SELECT arrayJoin({served_sql(scope)}) AS app, '' AS one, 0 AS n, NULL AS first, NULL AS last FROM agent_logins FINAL "
        "WHERE workspace_id = {workspace:String} AND status = 'closed'",
        f"SELECT app_id AS app, '' AS one, 0 AS n, NULL AS first, NULL AS last FROM agent_assignments FINAL WHERE {scope_sql(scope)} AND status = 'closed'",
    ]
    if uncounted_days:
        parts.append(f"""SELECT app_id AS app, CAST(channel, 'String') AS one, toInt64(count()) AS n,
        toInt64(toUnixTimestamp(toStartOfFifteenMinutes(min(start)))) * 1000 AS first,
        toInt64(toUnixTimestamp(toStartOfFifteenMinutes(max(start)))) * 1000 AS last
    FROM billing_sessions FINAL WHERE {scope_sql(scope)} AND status = 'closed' AND toDate(conversation_start) IN {{uncounted:Array(Date)}} GROUP BY app, one""")
    text = f"""SELECT app, arraySort(groupUniqArrayIf(one, one != '')) AS channels, sum(n) AS sessions,
    ifNull(min(first), 0) AS first_ms, ifNull(max(last), 0) AS last_ms
FROM ({" UNION ALL ".join(parts)})
GROUP BY app ORDER BY app"""
    return Statement(text, scope_parameters(scope) | ({"uncounted": list(uncounted_days)} if uncounted_days else {}))


def apps_answer(scope: Scope, reach: Reach, zone: ZoneInfo, rows: Iterable[Sequence[Any]], names: Mapping[str, str]) -> Json:
    """`answers.Apps`. `names`: those of the scope's apps that have one."""

    def app(app_id: str, channels: list[str], sessions: int, first_ms: int, last_ms: int) -> Json:
        first, last = (local_text(instant_ms, zone) if sessions else None for instant_ms in (first_ms, last_ms))
        return {"app_id": app_id, "name": names.get(app_id, ""), "channels": channels, "sessions": sessions, "first": first, "last": last}

    nothing: dict[str, Sequence[Any]] = {app_id: (app_id, [], 0, 0, 0) for app_id in names}
    found = nothing | {row[0]: row for row in rows}
    as_of = None if reach.as_of_ms is None else local_text(reach.as_of_ms, zone)
    return {"workspace_id": scope.workspace_id, "as_of": as_of, "apps": [app(*found[app_id]) for app_id in sorted(found)]}

"""Texts about seats: peaks from the facts of quarters (S3), and peaks and distinct agents from presences (S2, S4, S5). Pure.

One shape answers both questions about presences. The presences of an agent that meet or overlap are made one, so that an agent counts once;
then +1 where one begins, -1 where it ends, and the running sum is the number of distinct agents at every instant: its largest value in a
bucket is the peak. *Stretched* to the buckets that it touches, a presence makes the same sum count the distinct agents of each bucket.
Peaks of several apps together are computed like this, never summed or maxed from the apps' (S2); so are ranges that cut a quarter.

A presence that has not ended counts up to the watermark: what comes later is not known. An open login counts for `login_timeout` at most (S1).
An empty presence counts at no instant (S7). The cost is a sort of the presences in the range.

Rows of peaks and levels are (app, bucket, level, level_at); app `""` is the whole scope together. The texts take the edges of the buckets by name
(`statement.edges_sql`), and `{known:Int64}`, the watermark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from services.meters.rules import Rules
from services.query.statement import FROM, TO, Scope, logins_sql, scope_sql, served_sql

Presences = Literal["logins", "assignments", "named"]
"""Logged in (S1); assigned (S5); either (S4: named seats)."""
Measure = Literal["peak", "distinct"]

LOGIN_TIMEOUT_MS: Final = Rules().login_timeout_ms


def quarter_peaks(scope: Scope, edges: str, *, each_app: bool) -> str:
    """From the facts. The whole workspace has facts of its own, which a scope without apps takes; `each_app` adds its apps."""
    together = "" if each_app or scope.app_ids else " AND app_id = ''"
    return f"""WITH {edges}
SELECT app_id, roundDown(toUnixTimestamp64Milli(quarter), edges) AS bucket_ms, max(peak) AS seats,
    argMin(toUnixTimestamp64Milli(peak_at), (-toInt64(peak), peak_at)) AS at_ms
FROM seat_peaks FINAL
WHERE status = 'closed' AND {scope_sql(scope)}{together} AND quarter >= {FROM} AND quarter < {TO}
GROUP BY app_id, bucket_ms"""


def presence_levels(presences: Presences, measure: Measure, scope: Scope, edges: str, *, each_app: bool) -> str:
    """From the presences. `each_app` adds rows for every app of the scope. Empty buckets have no row."""
    clipped = _clipped([_SOURCES[source](scope, each_app) for source in _PRESENCES[presences]])
    return f"""WITH {edges}
SELECT app_id, roundDown(t_ms, edges) AS bucket_ms, max(level) AS seats, argMin(t_ms, (-level, t_ms)) AS at_ms
FROM (
    SELECT app_id, t_ms, sum(delta) OVER (PARTITION BY app_id ORDER BY t_ms ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS level
    FROM (
        SELECT app_id, point.1 AS t_ms, sum(point.2) AS delta
        FROM (
            SELECT app_id, arrayJoin(arrayConcat(groupArrayArray([(first_ms, 1), (gone_ms, -1)]), arrayMap(edge_ms -> (edge_ms, 0), edges))) AS point
            FROM ({_merged(_stretched(clipped) if measure == "distinct" else clipped)})
            GROUP BY app_id
        )
        GROUP BY app_id, t_ms
    )
)
WHERE t_ms < {{to:Int64}}
GROUP BY app_id, bucket_ms
HAVING seats > 0"""


def distinct_agents(scope: Scope, edges: str, *, each_app: bool, totals_only: bool) -> str:
    """Rows (series, key, bucket_ms, value, at_ms) of `named_total` and `assigned_total` by the whole periods of `{bounds:Array(Int64)}`, and of `named` and
    `assigned` by the buckets of `edges`. The buckets that an agent touches are made a set, then agents are counted by bucket: of a few hundred buckets
    this is quicker than the sweep. Buckets travel as their numbers from 1, whole periods as theirs from -1 down: slices of the edges would be copied for
    every presence."""
    sources = [f"SELECT *, {flag} AS is_assigned FROM ({_SOURCES[name](scope, each_app)})" for flag, name in ((0, "logins"), (1, "assignments"))]
    totals = f"arrayMap(n -> -n, {_touched('bounds')})"
    return f"""WITH {edges}, {{bounds:Array(Int64)}} AS bounds
SELECT concat(if(of.2 = 1, 'assigned', 'named'), if(of.1 < 0, '_total', '')) AS series, key,
    if(of.1 < 0, bounds[-of.1], edges[of.1]) AS bucket_ms, toInt64(count()) AS value, 0::Int64 AS at_ms
FROM (
    SELECT key, arrayJoin(arrayConcat(arrayMap(n -> (n, 0), named), arrayMap(n -> (n, 1), assigned))) AS of
    FROM (
        SELECT key, agent_id, groupUniqArrayArray(touched) AS named, groupUniqArrayArrayIf(touched, is_assigned) AS assigned
        FROM (
            SELECT app_id AS key, agent_id, is_assigned, greatest(since_ms, {{from:Int64}}) AS first_ms, least(until_ms, {{to:Int64}}) AS gone_ms,
                {totals if totals_only else f"arrayConcat({totals}, {_touched('edges')})"} AS touched
            FROM ({" UNION ALL ".join(sources)})
            WHERE first_ms < gone_ms
        )
        GROUP BY key, agent_id
    )
)
GROUP BY key, of"""


def _touched(edges: str) -> str:
    """The numbers of the buckets, from that of the first instant to that of the last. `transform` looks them up in a table: 5 times quicker than indexOf."""
    numbers = f"arrayMap(n -> toInt64(n), arrayEnumerate({edges}))"
    first, last = (f"transform(roundDown({instant}, {edges}), {edges}, {numbers}, toInt64(0))" for instant in ("first_ms", "gone_ms - 1"))
    return f"range({first}, {last} + 1)"


def _logins(scope: Scope, each_app: bool) -> str:
    apps = f"arrayJoin(arrayConcat([''], {served_sql(scope)}))" if each_app else "''"
    return f"""SELECT {apps} AS app_id, agent_id, toUnixTimestamp64Milli(start) AS since_ms,
        ifNull(toUnixTimestamp64Milli(end), least({{known:Int64}}, since_ms + {LOGIN_TIMEOUT_MS})) AS until_ms
    FROM agent_logins FINAL
    WHERE status = 'closed' AND {logins_sql(scope)} AND start < {TO} AND start > {FROM} - INTERVAL {LOGIN_TIMEOUT_MS} MILLISECOND"""


def _assignments(scope: Scope, each_app: bool) -> str:
    apps = "arrayJoin(['', app_id])" if each_app else "''"
    return f"""SELECT {apps} AS app_id, agent_id, toUnixTimestamp64Milli(start) AS since_ms, ifNull(toUnixTimestamp64Milli(end), {{known:Int64}}) AS until_ms
    FROM agent_assignments AS assignments FINAL
    WHERE status = 'closed' AND {scope_sql(scope, "assignments.app_id")} AND start < {TO}"""


_SOURCES: Final[dict[str, Callable[[Scope, bool], str]]] = {"logins": _logins, "assignments": _assignments}
_PRESENCES: Final[dict[Presences, tuple[str, ...]]] = {"logins": ("logins",), "assignments": ("assignments",), "named": ("logins", "assignments")}


def _clipped(sources: list[str]) -> str:
    """The part of each presence that lies in the range; empty ones are gone."""
    return f"""SELECT app_id, agent_id, greatest(since_ms, {{from:Int64}}) AS first_ms, least(until_ms, {{to:Int64}}) AS gone_ms
    FROM ({" UNION ALL ".join(sources)})
    WHERE first_ms < gone_ms"""


def _stretched(presences: str) -> str:
    """From the start of its first bucket to just after the start of its last."""
    return f"SELECT app_id, agent_id, roundDown(first_ms, edges) AS first_ms, roundDown(gone_ms - 1, edges) + 1 AS gone_ms FROM ({presences})"


def _merged(presences: str) -> str:
    """Presences of one agent that meet or overlap, as one. The largest end so far of no row is 0, before every instant."""
    return f"""SELECT app_id, agent_id, min(first_ms) AS first_ms, max(gone_ms) AS gone_ms
    FROM (
        SELECT app_id, agent_id, first_ms, gone_ms, sum(is_apart) OVER (of_agent ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS island
        FROM (
            SELECT app_id, agent_id, first_ms, gone_ms,
                first_ms > max(gone_ms) OVER (of_agent ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_apart
            FROM ({presences})
            WINDOW of_agent AS (PARTITION BY app_id, agent_id ORDER BY first_ms, gone_ms)
        )
        WINDOW of_agent AS (PARTITION BY app_id, agent_id ORDER BY first_ms, gone_ms)
    )
    GROUP BY app_id, agent_id, island"""

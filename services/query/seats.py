"""Put the rows of seats together: of the scope as one, and of every app in it (S4, S5). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from services.query.freshness import Reach
from services.query.periods import Period
from services.query.trend_statements import TrendQuestion
from services.query.trends import Json, Table, agent_count_is, range_echo

_SERIES = ("peak", "named_total", "assigned_total")


def seats_answer(question: TrendQuestion, period: Period, reach: Reach, rows: Iterable[Sequence[Any]]) -> Json:
    """`answers.Seats`."""
    scope, table = question.scope, Table(rows, question.scope, reach.assigned_apps)

    def of(app_id: str) -> Json:
        peak = table.cell("peak", app_id, period.from_ms)
        kind = "app" if app_id else "apps" if scope.app_ids else "workspace"
        seats = table.seats(app_id, period.from_ms, peak, period, total=True)
        return {"scope": kind, "app_id": app_id or None, **seats, "agent_count_is": agent_count_is(table, app_id)}

    return {
        "workspace_id": scope.workspace_id,
        "app_ids": list(scope.app_ids),
        "as_of": period.local_or_none(reach.as_of_ms),
        "range": range_echo(period),
        "together": of(""),
        "apps": [of(app_id) for app_id in sorted(table.keys(_SERIES))],
    }

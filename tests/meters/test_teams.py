"""Letting go of what is past never lets go of an alarm for what is to come (T4, S6)."""

from __future__ import annotations

import json
from itertools import pairwise

from services.events.decode import decode
from services.events.event import Event
from services.events.times import format_ms
from services.meters.records import LoginRecord
from services.meters.rules import HOUR_MS, Rules
from services.meters.teams import Teams
from tests.spec.timeline import T0_MS

RULES = Rules()
PAGE = 3
FOREVER_AGO_MS = -(1 << 60)


def event(kind: str, time_ms: int) -> tuple[int, Event]:
    data = {"workspace_id": "acme", "agent_id": "ann", "app_ids": ["shop"]}
    body = {
        "specversion": "1.0",
        "id": f"{kind}{time_ms}",
        "source": "s",
        "type": f"agent.{kind}",
        "time": format_ms(time_ms),
        "subject": "phone",
        "data": data,
    }
    found = decode(json.dumps(body).encode(), time_ms, RULES.lateness_ms)
    assert isinstance(found, Event)
    return PAGE, found


def logins(changes: object) -> list[int]:
    assert isinstance(changes, list)
    return [change.record.start_ms for change in changes if isinstance(change.record, LoginRecord)]


def test_a_login_that_is_still_to_come_is_published_though_a_sweep_came_before_an_alarm_that_means_nothing_any_more() -> None:
    """The first login was open when it came, so an alarm was set for its timeout; the logout made that void, and the sweep knows of real ones only."""
    teams, next_ms = Teams(RULES), T0_MS + 50 * HOUR_MS
    teams.fold([event("logged_in", T0_MS)], FOREVER_AGO_MS, FOREVER_AGO_MS)
    teams.fold([event("logged_out", T0_MS + 1), event("logged_in", next_ms)], FOREVER_AGO_MS, FOREVER_AGO_MS)
    steps = [FOREVER_AGO_MS, T0_MS + 16 * HOUR_MS, T0_MS + 25 * HOUR_MS, T0_MS + 51 * HOUR_MS]
    found = []
    for from_ms, to_ms in pairwise(steps):
        found.append(logins(teams.wake(from_ms, to_ms, ())))
        teams.sweep(T0_MS + 17 * HOUR_MS, to_ms)
    assert found == [[T0_MS], [], [next_ms]]

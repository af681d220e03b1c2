"""Letting go of what is past never lets go of an alarm for what is to come (T4, S6)."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec

from services.events import topics
from services.events.decode import decode
from services.events.event import Event
from services.events.outgoing import OutFact
from services.events.times import format_ms
from services.meters.rules import HOUR_MS, Rules
from services.meters.twins import fastest
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


def logins(facts: list[OutFact]) -> list[str]:
    return [json.loads(fact.value)["start"] for fact in facts if fact.topic == topics.LOGINS]


def test_a_login_that_is_still_to_come_is_published_though_a_sweep_came_before_an_alarm_that_means_nothing_any_more() -> None:
    """The first login was open when it came, so an alarm was set for its timeout; the logout made that void, and the sweep knows of real ones only."""
    teams, next_ms = fastest().teams(RULES), T0_MS + 50 * HOUR_MS
    teams.apply([event("logged_in", T0_MS)], FOREVER_AGO_MS, FOREVER_AGO_MS, (), 1)
    teams.apply([event("logged_out", T0_MS + 1), event("logged_in", next_ms)], FOREVER_AGO_MS, FOREVER_AGO_MS, (), 2)
    steps = [FOREVER_AGO_MS, T0_MS + 16 * HOUR_MS, T0_MS + 25 * HOUR_MS, T0_MS + 51 * HOUR_MS]
    found = []
    for from_ms, to_ms in pairwise(steps):
        found.append(logins(teams.apply([], from_ms, to_ms, (), 3)))
        teams.sweep(T0_MS + 17 * HOUR_MS, to_ms)
    assert found == [[format_ms(T0_MS)], [], [format_ms(next_ms)]]


def test_of_a_login_id_that_is_used_every_other_day_what_is_past_is_let_go() -> None:
    """T4: no event can change any more which login was the last that counted before the horizon, so those before it decide nothing."""
    teams, days = fastest().teams(RULES), [T0_MS + day * 48 * HOUR_MS for day in range(4)]
    teams.apply([event("logged_in", at_ms) for at_ms in days], FOREVER_AGO_MS, days[-1], (), 1)
    for used, kept in [(0, 4), (1, 3), (2, 2)]:
        teams.sweep(days[used] + (1 + 24 + 24 + 1) * HOUR_MS, days[-1])
        assert kept_logins(teams.states_of(PAGE)) == days[-kept:], used


def kept_logins(states: list[bytes]) -> list[int]:
    [[_, [[_, _, logins, _]], _]] = map(msgspec.msgpack.decode, states)
    return [at_ms for at_ms, _, _ in logins]

"""Agents at work: shifts of eight hours, second devices, breaks, forgotten logouts; and their subscriptions to the plans of apps."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from services.local.traffic import lines
from services.local.traffic.lines import Script, Thread, Verb
from services.local.traffic.platform import Agent, Workspace
from services.local.traffic.settings import DAY_MS, HOUR_MS, MINUTE_MS

SHIFTS_MS: Final = (6 * HOUR_MS, 14 * HOUR_MS, 22 * HOUR_MS)
"""When shifts begin, from midnight."""

LENGTH_MS: Final = 8 * HOUR_MS
_FREE_DAYS = 2
_SECOND_DEVICE, _BREAK, _FORGETS = 0.2, 0.3, 0.03


def shift(rng: Random, token: str, agent: Agent, day: int, begins_ms: int) -> Iterator[tuple[Thread, Script]]:
    """The logins of one agent in the shift that begins now. `day` counts from the start of the traffic."""
    if not agent.works(day) or (begins_ms // DAY_MS + agent.rest_days) % 7 < _FREE_DAYS:
        return
    comes_ms = begins_ms + int(rng.random() * 25 * MINUTE_MS)
    apps = agent.apps_on(day)
    goes_ms = begins_ms + LENGTH_MS - 10 * MINUTE_MS + int(rng.random() * 25 * MINUTE_MS)
    forgets = rng.random() < _FORGETS
    if rng.random() < _BREAK:
        leaves_ms = comes_ms + int((3 + rng.random()) * HOUR_MS)
        yield _login(token, agent, apps, "desk", (comes_ms, leaves_ms))
        comes_ms = leaves_ms + int((20 + 30 * rng.random()) * MINUTE_MS)
    yield _login(token, agent, apps, "desk", (comes_ms, None if forgets else goes_ms))
    if rng.random() < _SECOND_DEVICE:
        mobile_ms = comes_ms + int(rng.random() * (goes_ms - comes_ms))
        yield _login(token, agent, apps, "mobile", (mobile_ms, mobile_ms + int((2 + 40 * rng.random()) * MINUTE_MS)))


def _login(token: str, agent: Agent, apps: tuple[str, ...], device: str, presence_ms: tuple[int, int | None]) -> tuple[Thread, Script]:
    comes_ms, goes_ms = presence_ms
    name = f"login-{agent.agent_id}-{comes_ms:x}-{device}-{token}"
    served = f'"app_id":"{apps[0]}"' if len(apps) == 1 else '"app_ids":["' + '","'.join(apps) + '"]'
    thread = Thread(name, name, f"/platform/{agent.workspace_id}/agents", f'"workspace_id":"{agent.workspace_id}",{served},"agent_id":"{agent.agent_id}"')
    return thread, [(comes_ms, lines.LOGGED_IN)] + ([] if goes_ms is None else [(goes_ms, lines.LOGGED_OUT)])


def assignments(rng: Random, token: str, workspace: Workspace, start_ms: int) -> Iterator[tuple[Thread, Script]]:
    """Every subscription to the plan of an app, for the whole time: agents join, some move to another app, some leave."""
    for agent in workspace.agents:
        begins_ms = start_ms + agent.joins_day * DAY_MS + int(rng.random() * MINUTE_MS)
        moves_ms = None if agent.moves_day is None else start_ms + agent.moves_day * DAY_MS + int(rng.random() * MINUTE_MS)
        leaves_ms = None if agent.leaves_day is None else start_ms + agent.leaves_day * DAY_MS + int(rng.random() * MINUTE_MS)
        for app in sorted({*agent.apps, agent.moves_to} if moves_ms is not None else agent.apps):
            yield _assignment(token, agent, app), _subscription(agent, app, begins_ms, moves_ms, leaves_ms)


def _subscription(agent: Agent, app: str, begins_ms: int, moves_ms: int | None, leaves_ms: int | None) -> Script:
    """Marks that change nothing may occur (S8), as on real platforms."""
    marks: list[tuple[int, Verb]] = []
    if app in agent.apps:
        marks.append((begins_ms, lines.ASSIGNED))
        if moves_ms is not None and app != agent.moves_to:
            marks.append((moves_ms, lines.UNASSIGNED))
    elif moves_ms is not None and (leaves_ms is None or moves_ms < leaves_ms):
        marks.append((moves_ms, lines.ASSIGNED))
    if leaves_ms is not None:
        marks.append((leaves_ms, lines.UNASSIGNED))
    return sorted(marks, key=lambda mark: mark[0])


def _assignment(token: str, agent: Agent, app: str) -> Thread:
    data = f'"workspace_id":"{agent.workspace_id}","app_id":"{app}","agent_id":"{agent.agent_id}"'
    return Thread(f"plan-{agent.agent_id}-{app}-{token}", agent.agent_id, f"/platform/{agent.workspace_id}/plans", data)

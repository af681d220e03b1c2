"""Seats: logins (S1, S9), peaks of each quarter (S2, S3), assignments (S5, S8), and when they are published (S6, S7).

Rule: a peak is found by counting the agents at every instant at which the count may change. Limit: time is logins times quarters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tests.reference.asleep import by_instant
from tests.reference.facts import ASSIGNMENTS, LOGINS, PEAKS, Fact, fact_id, maybe_text
from tests.reference.instants import DAY_MS, QUARTER_MS, instant_text
from tests.reference.record import Record

LOGIN_TIMEOUT_MS: Final = DAY_MS


class Login(NamedTuple):
    """S1: the presence [start, end) of one agent."""

    login_id: str
    agent_id: str
    app_ids: tuple[str, ...]
    start: int
    end: int


def logins_of(login_id: str, events: Sequence[Record]) -> list[Login]:
    """S1: the logins of one login id that count."""
    logouts = [event.time_ms for event in events if event.type == "agent.logged_out"]
    logins: list[Login] = []
    entered = [event for event in events if event.type == "agent.logged_in"]
    for event in sorted(entered, key=lambda e: (e.time_ms, e.agent_id, e.app_ids)):
        if logins and event.time_ms <= logins[-1].start + LOGIN_TIMEOUT_MS:
            continue
        end = min([at for at in logouts if at >= event.time_ms] + [event.time_ms + LOGIN_TIMEOUT_MS])
        logins.append(Login(login_id, event.agent_id, tuple(sorted(set(event.app_ids))), event.time_ms, end))
    return logins


def present(logins: Iterable[Login], instant: int) -> set[str]:
    """S7: the agents present at an instant."""
    return {login.agent_id for login in logins if login.start <= instant < login.end}


def peak_of(logins: Sequence[Login], quarter: int) -> tuple[int, int, int] | None:
    """S3: peak, peak_at, agents of one quarter; None: nobody was there."""
    quarter_end = quarter + QUARTER_MS
    there = [login for login in logins if login.start < login.end and login.start < quarter_end and login.end > quarter]
    if not there:
        return None
    changes = {quarter} | {at for login in there for at in (login.start, login.end)}
    counts = [(len(present(there, at)), at) for at in changes if quarter <= at < quarter_end]
    peak = max(count for count, _ in counts)
    return peak, min(at for count, at in counts if count == peak), len({login.agent_id for login in there})


def peak_facts(workspace_id: str, logins: Sequence[Login], watermark_ms: int) -> list[Fact]:
    """S3 for the whole workspace (app "") and for each app; S6: once the watermark has passed the quarter's end."""
    facts: list[Fact] = []
    scopes = {"": list(logins)} | {app_id: [x for x in logins if app_id in x.app_ids] for login in logins for app_id in login.app_ids}
    for app_id, scope in scopes.items():
        for quarter, there in sorted(by_quarter(scope).items()):
            found = peak_of(there, quarter)
            if found and watermark_ms > quarter + QUARTER_MS:
                facts.append(peak_fact(workspace_id, app_id, quarter, found))
    return facts


def by_quarter(logins: Sequence[Login]) -> dict[int, list[Login]]:
    """Quarter → the logins that touch it."""
    quarters: dict[int, list[Login]] = {}
    for login in logins:
        for quarter in range(login.start // QUARTER_MS * QUARTER_MS, login.end, QUARTER_MS):
            quarters.setdefault(quarter, []).append(login)
    return quarters


def peak_fact(workspace_id: str, app_id: str, quarter: int, found: tuple[int, int, int]) -> Fact:
    return {
        "topic": PEAKS,
        "seat_peak_id": fact_id("peak", workspace_id, app_id, quarter),
        "status": "closed",
        "workspace_id": workspace_id,
        "app_id": app_id,
        "quarter": instant_text(quarter),
        "peak": found[0],
        "peak_at": instant_text(found[1]),
        "agents": found[2],
    }


def login_fact(workspace_id: str, login: Login, watermark_ms: int) -> Fact:
    """S7, S9."""
    return {
        "topic": LOGINS,
        "agent_login_id": fact_id("login", workspace_id, login.login_id, login.start),
        "status": "closed",
        "workspace_id": workspace_id,
        "login_id": login.login_id,
        "agent_id": login.agent_id,
        "app_ids": list(login.app_ids),
        "start": instant_text(login.start),
        "end": maybe_text(login.end if watermark_ms > login.end else None),
    }


def login_facts(workspace_id: str, events: Iterable[Record], watermark_ms: int) -> list[Fact]:
    """Logins and peaks of one workspace, from its login events."""
    by_id: dict[str, list[Record]] = {}
    for event in events:
        by_id.setdefault(event.subject, []).append(event)
    logins = [login for login_id, of_id in sorted(by_id.items()) for login in logins_of(login_id, of_id)]
    facts = [login_fact(workspace_id, login, watermark_ms) for login in logins if watermark_ms > login.start]
    return facts + peak_facts(workspace_id, logins, watermark_ms)


def assignment_facts(workspace_id: str, app_id: str, agent_id: str, events: Iterable[Record], watermark_ms: int) -> list[Fact]:
    """S8: the assignments of one agent to one app."""
    spans: list[tuple[int, int | None]] = []
    for instant, here in by_instant(events):
        types = {event.type for event in here}
        is_open = bool(spans) and spans[-1][1] is None
        if types == {"agent.assigned"} and not is_open:
            spans.append((instant, None))
        elif types == {"agent.unassigned"} and is_open:
            spans[-1] = (spans[-1][0], instant)
    return [assignment_fact((workspace_id, app_id, agent_id), start, end, watermark_ms) for start, end in spans if watermark_ms > start]


def assignment_fact(name: tuple[str, str, str], start: int, end: int | None, watermark_ms: int) -> Fact:
    """S7."""
    return {
        "topic": ASSIGNMENTS,
        "agent_assignment_id": fact_id("assignment", *name, start),
        "status": "closed",
        "workspace_id": name[0],
        "app_id": name[1],
        "agent_id": name[2],
        "start": instant_text(start),
        "end": maybe_text(end if end is not None and watermark_ms > end else None),
    }

"""Facts read back in the notation of the examples: what the runs against the model, the core and the pipeline compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.reference.instants import instant_ms
from tests.spec.timeline import T0_MS

Facts = Iterable[Mapping[str, Any]]

SESSIONS: Final = "usage.billing-sessions.v1"
EPISODES: Final = "usage.conversations.v1"
PEAKS: Final = "usage.seat-peaks.v1"
ASSIGNMENTS: Final = "usage.agent-assignments.v1"
LOGINS: Final = "usage.agent-logins.v1"


def offset(text: str) -> int:
    """An instant in milliseconds from t0."""
    time_ms = instant_ms(text)
    assert time_ms is not None
    return time_ms - T0_MS


def sessions(facts: Facts, *, workspace_id: str | None = None) -> list[Mapping[str, Any]]:
    """The session facts by start."""
    chosen = [fact for fact in facts if fact["topic"] == SESSIONS and workspace_id in (None, fact["workspace_id"])]
    return sorted(chosen, key=lambda fact: (fact["start"], fact["end"], fact["billing_session_id"]))


def session_spans(facts: Facts) -> list[tuple[int, int]]:
    """Start and end of each session in milliseconds from t0."""
    return [(offset(fact["start"]), offset(fact["end"])) for fact in sessions(facts)]


def conversations(facts: Facts) -> list[tuple[int, int | None, str, int]]:
    """Start, end, reason, human time of each conversation fact, in milliseconds from t0."""
    chosen = sorted((fact for fact in facts if fact["topic"] == EPISODES), key=lambda fact: str(fact["start"]))
    return [(offset(f["start"]), None if f["end"] is None else offset(f["end"]), f["end_reason"], f["human_ms"]) for f in chosen]


def concurrent_seats(facts: Facts, app_id: str = "") -> int:
    """S4: the largest peak."""
    return max((fact["peak"] for fact in facts if fact["topic"] == PEAKS and fact["app_id"] == app_id), default=0)


def named_seats(facts: Facts) -> int:
    """S4, of a workspace without assignments."""
    return len({fact["agent_id"] for fact in facts if fact["topic"] == LOGINS and fact["start"] != fact["end"]})


def quarters(facts: Facts) -> list[tuple[int, int, int, int]]:
    """The workspace's quarters: quarter, peak, peak_at, agents, times in milliseconds from t0."""
    chosen = [fact for fact in facts if fact["topic"] == PEAKS and fact["app_id"] == ""]
    return sorted((offset(f["quarter"]), f["peak"], offset(f["peak_at"]), f["agents"]) for f in chosen)


def presences(facts: Facts) -> list[tuple[str, int, int | None]]:
    """Agent, start, end of each login and assignment fact, in milliseconds from t0."""
    chosen = sorted((fact for fact in facts if fact["topic"] in (LOGINS, ASSIGNMENTS)), key=lambda fact: (fact["start"], fact["agent_id"]))
    return [(fact["agent_id"], offset(fact["start"]), None if fact["end"] is None else offset(fact["end"])) for fact in chosen]

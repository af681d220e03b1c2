"""One session by its id, and who was logged in at an instant."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from services.events.times import parse_ms
from services.query import lookups
from services.query.answers import AgentsAtInstant, Session
from services.query.parameters import AgentParameters, ZoneParameters
from services.query.periods import FIRST_MS, LAST_MS, PeriodError, read_zone
from services.query.problems import Problem
from services.query.routes.common import PROBLEMS, Reads, asked_of

lookup_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)

SessionId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="`billing_session_id`, as lists and the CSV show it.")]


@lookup_routes.get("/sessions/{billing_session_id}", summary="One billed session", responses={404: PROBLEMS[401] | {"description": "There is none."}})
def session(request: Request, principal: Reads, billing_session_id: SessionId, parameters: Annotated[ZoneParameters, Query()]) -> Session:
    """`rule`, `bot_ms` and `human_ms` say why it was billed (U13, U12)."""
    asked = asked_of(request, principal, [])
    found = lookups.session(asked.shell.reader, asked.scope, billing_session_id, read_zone(parameters.timezone))
    if found is None:
        raise Problem(404, "not_found", "There is no such session: this key may not see its app, or a correction took it back.")
    return found


@lookup_routes.get("/agents", summary="Who was logged in at an instant")
def agents(request: Request, principal: Reads, parameters: Annotated[AgentParameters, Query()]) -> AgentsAtInstant:
    """Each agent once. At `peak_at` of a range they are as many as its concurrent seats (S3)."""
    asked, zone = asked_of(request, principal, parameters.app_id), read_zone(parameters.timezone)
    return lookups.agents_at(asked.shell.reader, asked.scope, _instant_ms(parameters.at), asked.reach.known_ms(asked.now_ms), zone)


def _instant_ms(text: str) -> int:
    """In a URL a bare `+` means a space."""
    try:
        at_ms = parse_ms(text.replace(" ", "+"))
    except ValueError as error:
        raise PeriodError("at", f"Not an RFC 3339 instant with an offset (2026-01-31T08:00:00+05:30): {error}.") from None
    if not FIRST_MS <= at_ms <= LAST_MS:
        raise PeriodError("at", "Outside the years 2000 to 2148.")
    return at_ms

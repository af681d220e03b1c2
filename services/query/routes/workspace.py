"""What a workspace has, and how fresh its numbers are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.query.answers import Apps, Freshness
from services.query.apps import apps_answer, apps_statement
from services.query.freshness import liveness, open_statement
from services.query.parameters import FreshnessParameters, ZoneParameters
from services.query.periods import local_text, read_zone
from services.query.routes.common import PROBLEMS, Reads, asked_of, json_answer

workspace_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)


@workspace_routes.get("/freshness", summary="How far the numbers reach", response_model=Freshness)
def freshness(request: Request, principal: Reads, parameters: Annotated[FreshnessParameters, Query()]) -> Response:
    asked, zone = asked_of(request, principal, parameters.app_id), read_zone(parameters.timezone)
    reach = asked.reach
    [(conversations, agents)] = asked.reader.rows(open_statement(asked.scope))
    answer = {
        "workspace_id": asked.scope.workspace_id,
        "state": liveness(reach.as_of_ms, asked.now_ms),
        "now": local_text(asked.now_ms, zone),
        "as_of": None if reach.as_of_ms is None else local_text(reach.as_of_ms, zone),
        "lag_ms": None if reach.as_of_ms is None else asked.now_ms - reach.as_of_ms,
        "data_since": None if reach.since_ms is None else local_text(reach.since_ms, zone),
        "open_conversations": conversations,
        "agents_logged_in": agents,
    }
    return json_answer(answer)


@workspace_routes.get("/apps", summary="The apps that the key may see", response_model=Apps)
def apps(request: Request, principal: Reads, parameters: Annotated[ZoneParameters, Query()]) -> Response:
    asked, zone = asked_of(request, principal, []), read_zone(parameters.timezone)
    reach, names = asked.reach, asked.shell.accounts.app_names(asked.scope.workspace_id, asked.scope.app_ids)
    return json_answer(apps_answer(asked.scope, reach, zone, asked.reader.rows(apps_statement(asked.scope, reach.uncounted_days)), names))

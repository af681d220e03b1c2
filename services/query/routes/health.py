"""Whether the process runs, and whether its databases answer. Open to all: it tells nothing of anybody."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from services.query.answers import Health
from services.query.shell import Shell, shell_of
from services.runtime.errors import ServiceError

health_routes = APIRouter(tags=["health"])


@health_routes.get("/livez", summary="The process runs")
def livez() -> dict[str, bool]:
    return {"live": True}


@health_routes.get("/readyz", summary="The databases answer", responses={200: {"model": Health}, 503: {"model": Health}}, response_class=JSONResponse)
def readyz(request: Request) -> JSONResponse:
    checks = readiness(shell_of(request))
    ready = all(checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


def readiness(shell: Shell) -> dict[str, bool]:
    """Whether each database has what the questions need."""

    def answers(check: Callable[[], None]) -> bool:
        try:
            check()
        except ServiceError:
            return False
        return True

    return {"clickhouse": answers(shell.readers.check), "postgres": answers(shell.accounts.check)}

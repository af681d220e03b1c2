"""Errors as RFC 9457 problems: one shape for every refusal, with a stable `code` for programs.

Rule: a problem says what was wrong and what to do, and never shows SQL, a stack or a secret; what went wrong inside goes to the log, and the problem
carries its `incident` to find it by. Codes are part of the API: add, never rename.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Literal, get_args

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from services.accounts.key_store import KeyRefused
from services.accounts.limits import Policy, QuotaExceeded
from services.query.cursor import CursorError
from services.query.periods import PeriodError
from services.query.reader import TooExpensive
from services.runtime.errors import Unavailable

Code = Literal[
    "invalid_parameter",
    "invalid_cursor",
    "unauthenticated",
    "not_allowed",
    "not_found",
    "conflict",
    "method_not_allowed",
    "quota_exceeded",
    "unavailable",
    "too_expensive",
    "internal",
]
CODES: Final[tuple[Code, ...]] = get_args(Code)
MEDIA_TYPE: Final = "application/problem+json"
SAFE_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

_ROUTING: Final[dict[int, tuple[Code, str]]] = {
    404: ("not_found", "There is no such page; /openapi.json lists what there is."),
    405: ("method_not_allowed", "There is another method for this page; /openapi.json lists what there is."),
}

_log = structlog.get_logger(__name__)


class FieldProblem(BaseModel):
    """One offending parameter."""

    field: str = Field(description="Name of the parameter.")
    detail: str = Field(description="What is wrong with it, and what is right.")


class ProblemBody(BaseModel):
    """RFC 9457. Programs look at `code`."""

    type: str = Field(description="`urn:quarterhour:problem:<code>`.")
    title: str
    status: int
    detail: str
    code: Code
    errors: list[FieldProblem] = Field(default_factory=list, description="The offending parameters.")
    violated_policies: list[Policy] | None = Field(None, description="Of quota_exceeded: the limits that the key has used up.")
    incident: str | None = Field(None, description="Of an error of ours: what to look for in the service's log.")


class Problem(Exception):
    """An answer that refuses."""

    def __init__(
        self, status: int, code: Code, detail: str, errors: Sequence[FieldProblem] = (), incident: str | None = None, *, violated: Policy | None = None
    ) -> None:
        super().__init__(detail)
        kind, title = f"urn:quarterhour:problem:{code}", HTTPStatus(status).phrase
        policies = [violated] if violated else None
        self.body = ProblemBody(
            type=kind, title=title, status=status, detail=detail, code=code, errors=list(errors), violated_policies=policies, incident=incident
        )

    def response(self) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if self.body.status == 401 else {}
        return JSONResponse(self.body.model_dump(exclude_none=True), self.body.status, SAFE_HEADERS | headers, MEDIA_TYPE)


def invalid(field: str, detail: str, code: Code = "invalid_parameter") -> Problem:
    return Problem(422, code, f"{field}: {detail}", [FieldProblem(field=field, detail=detail)])


def answer_with_problems(app: FastAPI) -> None:
    """Make every refusal and failure of `app` a problem."""

    @app.exception_handler(Problem)
    def refused(_request: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(PeriodError)
    def no_period(_request: Request, error: PeriodError) -> JSONResponse:
        return invalid(error.field, str(error)).response()

    @app.exception_handler(CursorError)
    def no_cursor(_request: Request, error: CursorError) -> JSONResponse:
        return invalid("cursor", f"{error}; begin again without a cursor.", "invalid_cursor").response()

    @app.exception_handler(RequestValidationError)
    def not_valid(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [FieldProblem(field=_field(problem["loc"]), detail=_detail(problem)) for problem in error.errors()]
        return Problem(422, "invalid_parameter", "; ".join(f"{each.field}: {each.detail}" for each in errors), errors).response()

    @app.exception_handler(HTTPException)
    def routed_nowhere(_request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:
            # What FastAPI says of a body whose bytes are no text.
            return invalid("body", "It must be JSON in UTF-8.").response()
        code, detail = _ROUTING.get(error.status_code, ("internal", str(error.detail)))
        return Problem(error.status_code, code, detail).response()

    @app.exception_handler(KeyRefused)
    def no_such_key(_request: Request, error: KeyRefused) -> JSONResponse:
        return Problem(409, "conflict", str(error)).response()

    @app.exception_handler(QuotaExceeded)
    def used_up(_request: Request, error: QuotaExceeded) -> JSONResponse:
        response = Problem(429, "quota_exceeded", str(error), violated=error.policy).response()
        response.headers["Retry-After"] = str(error.retry_s)
        return response

    @app.exception_handler(TooExpensive)
    def too_expensive(request: Request, error: TooExpensive) -> JSONResponse:
        incident = _incident(request, error)
        return Problem(503, "too_expensive", "The question took too much time or memory: ask for a shorter range or fewer apps.", incident=incident).response()

    @app.exception_handler(Unavailable)
    def away(request: Request, error: Unavailable) -> JSONResponse:
        incident = _incident(request, error)
        return Problem(503, "unavailable", "A database that is needed does not answer. Try again in a few seconds.", incident=incident).response()

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        return Problem(500, "internal", "Something went wrong on our side; the numbers were not computed.", incident=_incident(request, error)).response()


def _incident(request: Request, error: Exception) -> str:
    incident = secrets.token_hex(8)
    _log.error("request failed", incident=incident, path=request.url.path, error=type(error).__name__, detail=str(error)[:2000])
    return incident


def _field(location: Sequence[str | int]) -> str:
    """`("query", "app_id", 0)` is app_id; of a body that is no JSON the place is a number, and the field the body."""
    return str(location[1]) if len(location) > 1 and isinstance(location[1], str) else str(location[0])


def _detail(problem: dict[str, object]) -> str:
    if problem["type"] == "extra_forbidden":
        return "There is no such parameter; /openapi.json lists what there is."
    return f"{problem['msg']}."

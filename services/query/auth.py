"""Who asks, and whose numbers they may see (OWASP API1, API2, API5).

Rule: the workspace comes from the key and from nowhere else; a key comes in a header, never in the URL. A key of some apps sees these apps only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from services.accounts.keys import KeyScope, Principal, Refused
from services.query.problems import FieldProblem, Problem
from services.query.shell import shell_of
from services.query.statement import Scope

_BEARER = HTTPBearer(auto_error=False, description="Authorization: Bearer qh_…")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, for clients that cannot send the other header.")

_WHY: Final[dict[Refused, str]] = {
    "unknown": "This is no API key of ours. `quarterhour keys create --workspace <id>` makes one.",
    "revoked": "This API key was revoked.",
    "expired": "This API key has expired.",
}


def asks(needed: KeyScope) -> Callable[..., Principal]:
    """A dependency: the principal of the request, who has the scope `needed`; else 401 or 403."""

    def principal(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
        header: Annotated[str | None, Depends(_HEADER)],
    ) -> Principal:
        text = bearer.credentials if bearer else header
        if not text:
            raise Problem(401, "unauthenticated", "An API key is needed: `Authorization: Bearer qh_…`, or `X-API-Key: qh_…`.")
        shell = shell_of(request)
        found = shell.accounts.admit(text, datetime.fromtimestamp(shell.clock_ms() / 1000, UTC))
        if not isinstance(found, Principal):
            raise Problem(401, "unauthenticated", _WHY[found])
        if not found.may(needed):
            raise Problem(403, "not_allowed", f"This API key does not have the scope {needed}.")
        return found

    return principal


def scope_of(principal: Principal, app_ids: list[str]) -> Scope:
    """What is asked for, inside what may be seen. Apps are in order and once each, so that equal questions are equal."""
    asked = tuple(sorted(set(app_ids)))
    if principal.app_ids and not set(asked) <= set(principal.app_ids):
        raise Problem(403, "not_allowed", "This API key may not see that app.", [FieldProblem(field="app_id", detail="Not an app of this key.")])
    return Scope(principal.workspace_id, asked or tuple(sorted(principal.app_ids)))

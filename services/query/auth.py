"""Who asks, and whose numbers they may see (OWASP API1, API2, API5).

Rule: the workspace comes from the key and from nowhere else; a key comes in a header, never in the URL. A key of some apps sees these apps only.
A request is counted when its key is good, whatever becomes of it; what it cost ClickHouse is charged to the key when it is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Final

import structlog
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from services.accounts import limits
from services.accounts.keys import Principal, Refused
from services.accounts.scopes import KeyScope
from services.query.problems import FieldProblem, Problem
from services.query.shell import Shell, Spent, shell_of
from services.query.statement import Scope
from services.runtime.errors import Unavailable

_BEARER = HTTPBearer(auto_error=False, description="Authorization: Bearer qh_…")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, for clients that cannot send the other header.")

_WHY: Final[dict[Refused, str]] = {
    "unknown": "This is no API key of ours. `quarterhour keys create --workspace <id>` makes one.",
    "revoked": "This API key was revoked.",
    "expired": "This API key has expired.",
    "not_a_member": "The person of this API key may no longer see what it was made for.",
}
_log = structlog.get_logger(__name__)


def asks(needed: KeyScope) -> Callable[..., Iterator[Principal]]:
    """A dependency: the principal of the request, who has the scope `needed`; else 401, 429 or 403."""

    def principal(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
        header: Annotated[str | None, Depends(_HEADER)],
    ) -> Iterator[Principal]:
        text = bearer.credentials if bearer else header
        if not text:
            raise Problem(401, "unauthenticated", "An API key is needed: `Authorization: Bearer qh_…`, or `X-API-Key: qh_…`.")
        shell = shell_of(request)
        entered = shell.accounts.enter(text, now := shell.now())
        if isinstance(entered, str):
            raise Problem(401, "unauthenticated", _WHY[entered])
        found, used = entered
        request.state.rate_limit = limits.headers(found.limits, used, now)
        limits.check(found.limits, used, now)
        if not found.may(needed):
            raise Problem(403, "not_allowed", f"This API key does not have the scope {needed}.")
        request.state.spent = spent = Spent()
        try:
            yield found
        finally:
            _charge(shell, found, spent)

    return principal


def _charge(shell: Shell, principal: Principal, spent: Spent) -> None:
    """The answer is there already: a database that goes away now takes nothing from it."""
    if spent.read_ms:
        try:
            shell.accounts.charge(principal, shell.now(), spent.read_ms)
        except Unavailable as error:
            _log.warning("a cost was not charged", key=principal.key_prefix, read_ms=spent.read_ms, error=str(error))


def scope_of(principal: Principal, app_ids: list[str]) -> Scope:
    """What is asked for, inside what may be seen. Apps are in order and once each, so that equal questions are equal."""
    asked = tuple(sorted(set(app_ids)))
    if principal.app_ids and not set(asked) <= set(principal.app_ids):
        raise Problem(403, "not_allowed", "This API key may not see that app.", [FieldProblem(field="app_id", detail="Not an app of this key.")])
    return Scope(principal.workspace_id, asked or tuple(sorted(principal.app_ids)))

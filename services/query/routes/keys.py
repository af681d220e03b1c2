"""The keys of a workspace, for a key with the scope `admin` (OWASP API1, API5).

Rule: a key administers its own workspace only, and a key of some apps the keys of these apps only: what it may not see is not found. A key that is made here
is a program's and has the limits of the workspace's kind. It is in the answer that makes it, once, and in no log.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.accounts.keys import ApiKey, Principal
from services.query.answers import Key, Keys, NewKey
from services.query.auth import asks, scope_of
from services.query.parameters import KeyRequest, NoParameters, RotateRequest
from services.query.problems import Problem
from services.query.routes.common import CONFLICT, NOT_FOUND, PROBLEMS, json_answer
from services.query.shell import Shell, shell_of

key_routes = APIRouter(prefix="/v1/keys", tags=["keys"], responses=PROBLEMS)

Admins = Annotated[Principal, Depends(asks("admin"))]
Prefix = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="The part of the key that is no secret.")]

_log = structlog.get_logger(__name__)


@key_routes.get("", summary="The keys of the workspace, without their secrets", response_model=Keys)
def keys(request: Request, principal: Admins, _parameters: Annotated[NoParameters, Query()]) -> Response:
    """Revoked and expired ones too; oldest first."""
    shell = shell_of(request)
    found = [_shown(key, shell.now()) for key in shell.accounts.list_keys(principal.workspace_id) if _administers(principal, key)]
    return json_answer({"workspace_id": principal.workspace_id, "keys": found})


@key_routes.post("", summary="Make a key", status_code=201, response_model=NewKey)
def make(request: Request, principal: Admins, asked: KeyRequest) -> Response:
    """The answer holds the key itself, which cannot be shown again."""
    shell = shell_of(request)
    now = shell.now()
    expires_at = now + timedelta(days=asked.expires_in_days) if asked.expires_in_days else None
    app_ids = scope_of(principal, asked.app_ids).app_ids
    text, key = shell.accounts.create_key(
        principal.workspace_id, now, name=asked.name, scopes=list(dict.fromkeys(asked.scopes)), app_ids=app_ids, expires_at=expires_at
    )
    return _made(principal, text, key, now)


@key_routes.post("/{prefix}/rotate", summary="Make a key in the place of another", status_code=201, response_model=NewKey, responses=NOT_FOUND | CONFLICT)
def rotate(request: Request, principal: Admins, prefix: Prefix, asked: RotateRequest) -> Response:
    """It may do and see what the old one may, and lasts as long as that was made for. The old one is good until the overlap is over."""
    shell = shell_of(request)
    now = shell.now()
    _found(shell, principal, prefix)
    text, key = shell.accounts.rotate_key(prefix, now, now + timedelta(hours=asked.overlap_hours))
    return _made(principal, text, key, now)


@key_routes.delete("/{prefix}", summary="Refuse a key from now on", status_code=204, response_class=Response, responses=NOT_FOUND)
def revoke(request: Request, principal: Admins, prefix: Prefix) -> Response:
    """Revoked once, it stays so; the key that asks may be the one."""
    shell = shell_of(request)
    _found(shell, principal, prefix)
    shell.accounts.revoke_key(prefix, shell.now())
    _log.info("key revoked", key=prefix, by=principal.key_prefix)
    return Response(status_code=204)


def _administers(principal: Principal, key: ApiKey) -> bool:
    return not principal.app_ids or bool(key.app_ids and set(key.app_ids) <= set(principal.app_ids))


def _found(shell: Shell, principal: Principal, prefix: str) -> ApiKey:
    """Keys never change their workspace or their apps, so what is found here is still allowed when it is done."""
    for key in shell.accounts.list_keys(principal.workspace_id):
        if key.prefix == prefix and _administers(principal, key):
            return key
    raise Problem(404, "not_found", "There is no key with this prefix that this key administers.")


def _made(principal: Principal, text: str, key: ApiKey, now: datetime) -> Response:
    _log.info("key made", key=key.prefix, by=principal.key_prefix)
    return json_answer({"key": text, **_shown(key, now)}, 201)


def _shown(key: ApiKey, now: datetime) -> dict[str, object]:
    """`answers.Key`."""
    shown = Key(
        prefix=key.prefix,
        last_four=key.last_four,
        name=key.name,
        scopes=list(key.scopes),
        app_ids=list(key.app_ids or ()),
        state="revoked" if key.revoked_at else "live" if key.is_live(now) else "expired",
        is_of_a_person=key.person_id is not None,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
        replaced_by=key.replaced_by,
    )
    return shown.model_dump(mode="json")

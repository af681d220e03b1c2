"""API keys: what they look like, what is kept of them, and who one is when it is shown (SPEC §2; OWASP API2). Pure.

A key is `qh_<prefix>_<secret>`: 12 hex digits to look it up by and to name it in lists and logs, and 32 random bytes in hex. Rule: only the
SHA-256 of the whole key is kept, and compared in constant time. Limit: whoever has the key is the key; it is shown once and cannot be shown again.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal

from services.accounts.limits import LIMITS, Limits, WorkspaceKind
from services.accounts.roles import Member
from services.accounts.scopes import KeyScope

Refused = Literal["unknown", "revoked", "expired", "not_a_member"]

PREFIX_BYTES: Final = 6
SECRET_BYTES: Final = 32
_KEY = re.compile(r"qh_([0-9a-f]{12})_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a key, its workspace, and what it may see there."""

    workspace_id: str
    key_prefix: str
    scopes: frozenset[KeyScope]
    app_ids: tuple[str, ...] = ()
    """The apps that it may see; none: all of the workspace."""
    limits: Limits = field(default=LIMITS["standard"], compare=False)

    def may(self, scope: KeyScope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key."""

    prefix: str
    workspace_id: str
    name: str
    hash: bytes
    last_four: str
    scopes: tuple[KeyScope, ...]
    app_ids: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None
    person_id: int | None = None
    """Whose it is; none: a program's."""
    replaced_by: str | None = None
    last_used_at: datetime | None = None
    requests_per_minute: int | None = None
    read_s_per_minute: int | None = None
    exports_at_once: int | None = None

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known when a key is shown: the key, the kind of its workspace, and of a person's key who the person is there now."""

    key: ApiKey
    kind: WorkspaceKind = "standard"
    member: Member | None = None


def key_text(prefix: bytes, secret: bytes) -> str:
    """The key, from PREFIX_BYTES and SECRET_BYTES random bytes."""
    assert (len(prefix), len(secret)) == (PREFIX_BYTES, SECRET_BYTES)
    return f"qh_{prefix.hex()}_{secret.hex()}"


def key_hash(text: str) -> bytes:
    return sha256(text.encode()).digest()


def prefix_of(text: str) -> str | None:
    """None: this is no key at all."""
    match = _KEY.fullmatch(text)
    return match[1] if match else None


def admit(text: str, kept: Kept | None, now: datetime, limits: Mapping[WorkspaceKind, Limits] = LIMITS) -> Principal | Refused:
    """Who the key `text` is, `kept` being what was found under its prefix. Why a key is refused is told only to who has its secret."""
    same = hmac.compare_digest(key_hash(text), kept.key.hash if kept else bytes(32))
    if kept is None or not same:
        return "unknown"
    key = kept.key
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_live(now):
        return "expired"
    scopes, app_ids = frozenset(key.scopes), key.app_ids
    if key.person_id is not None:
        if kept.member is None or kept.member.sees(app_ids) == ():
            return "not_a_member"
        scopes, app_ids = scopes & kept.member.scopes, kept.member.sees(app_ids)
    own = limits[kept.kind].but(key.requests_per_minute, key.read_s_per_minute, key.exports_at_once)
    return Principal(key.workspace_id, key.prefix, scopes, app_ids or (), own)

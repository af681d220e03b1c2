"""API keys: what they look like, what is kept of them, and who one is when it is shown (SPEC §2; OWASP API2). Pure.

A key is `qh_<prefix>_<secret>`: 12 hex digits to look it up by and to name it in lists and logs, and 32 random bytes in hex. Rule: only the
SHA-256 of the whole key is kept, and compared in constant time. Limit: whoever has the key is the key; it is shown once and cannot be shown again.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal, get_args

KeyScope = Literal["read", "export", "admin"]
"""`read`: numbers and lists; `export`: whole files; `admin`: both, and what administers a workspace."""
KEY_SCOPES: Final[tuple[KeyScope, ...]] = get_args(KeyScope)
DEFAULT_SCOPES: Final[tuple[KeyScope, ...]] = ("read", "export")

Refused = Literal["unknown", "revoked", "expired"]

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
    revoked_at: datetime | None


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


def admit(text: str, kept: ApiKey | None, now: datetime) -> Principal | Refused:
    """Who the key `text` is, `kept` being what was found under its prefix. Why a key is refused is told only to who has its secret."""
    same = hmac.compare_digest(key_hash(text), kept.hash if kept else bytes(32))
    if kept is None or not same:
        return "unknown"
    if kept.revoked_at is not None:
        return "revoked"
    if kept.expires_at is not None and kept.expires_at <= now:
        return "expired"
    return Principal(kept.workspace_id, kept.prefix, frozenset(kept.scopes), kept.app_ids or ())

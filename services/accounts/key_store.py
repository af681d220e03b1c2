"""Keys in PostgreSQL: made, rotated, listed, revoked, found.

Rule: at most two keys of a line are good at one time: who is rotated must have no predecessor that still is.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

from services.accounts import people
from services.accounts.keys import PREFIX_BYTES, SECRET_BYTES, ApiKey, Kept, key_hash, key_text, prefix_of
from services.accounts.roles import ROLE_SCOPES, Member
from services.accounts.scopes import KeyScope
from services.runtime.errors import ServiceError

_FIELDS: Final = tuple(field.name for field in fields(ApiKey))
_COLUMNS: Final = ", ".join(_FIELDS)
_VALUES: Final = ", ".join(f"%({name})s" for name in _FIELDS)


class KeyRefused(ServiceError):
    """Such a key cannot be made; `str()` says why and what to do."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is asked for. `limits`: as in `Accounts.create_key`."""

    workspace_id: str
    name: str
    scopes: tuple[KeyScope, ...]
    app_ids: tuple[str, ...]
    expires_at: datetime | None
    email: str | None
    limits: tuple[int | None, int | None, int | None]


def create(connection: Connection, asked: NewKey, now: datetime) -> tuple[str, ApiKey]:
    people.set_workspace(connection, asked.workspace_id, None, now)
    text, prefix = _new_text()
    requests, read_s, exports = asked.limits
    key = ApiKey(
        prefix, asked.workspace_id, asked.name, key_hash(text), text[-4:], asked.scopes, asked.app_ids or None, now, asked.expires_at,
        person_id=_person_id(connection, asked) if asked.email else None,
        requests_per_minute=requests, read_s_per_minute=read_s, exports_at_once=exports,
    )  # fmt: skip
    _insert(connection, key)
    return text, key


def rotate(connection: Connection, prefix: str, now: datetime, until: datetime) -> tuple[str, ApiKey]:
    """The old key is good until then, or until its own end where that is earlier; the new one for as long as the old one was made for."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE prefix = %s FOR UPDATE", (prefix,)).fetchone()
        before = cursor.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE replaced_by = %s", (prefix,)).fetchone()
    if row is None:
        raise KeyRefused(f"There is no key {prefix}. `quarterhour keys list` shows them.")
    old = _kept(row)
    if not old.is_live(now):
        raise KeyRefused(f"The key {prefix} is good no longer. Make a new one: quarterhour keys create --workspace {old.workspace_id}")
    if old.replaced_by:
        raise KeyRefused(f"The key {prefix} was rotated already: {old.replaced_by} takes its place. Rotate that one.")
    if before and _kept(before).is_live(now):
        older = before["prefix"]
        raise KeyRefused(f"The key {older}, whose place {prefix} takes, is still good. When nobody uses it: quarterhour keys revoke {older}")
    text, new_prefix = _new_text()
    lasts = old.expires_at and now + (old.expires_at - old.created_at)
    new = replace(old, prefix=new_prefix, hash=key_hash(text), last_four=text[-4:], created_at=now, expires_at=lasts, last_used_at=None)
    _insert(connection, new)
    ends = until if old.expires_at is None else min(until, old.expires_at)
    connection.execute("UPDATE api_keys SET replaced_by = %s, expires_at = %s WHERE prefix = %s", (new_prefix, ends, prefix))
    return text, new


def listed(connection: Connection, workspace_id: str | None) -> list[ApiKey]:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM api_keys WHERE workspace_id = %(workspace)s OR %(workspace)s::text IS NULL ORDER BY created_at, prefix",
            {"workspace": workspace_id},
        )
        return [_kept(row) for row in cursor]


def revoke(connection: Connection, prefix: str, now: datetime) -> bool:
    return connection.execute("UPDATE api_keys SET revoked_at = coalesce(revoked_at, %s) WHERE prefix = %s", (now, prefix)).rowcount == 1


def find(connection: Connection, prefix: str) -> Kept | None:
    """With what decides about it: the kind of its workspace, and who its person is there now."""
    columns = ", ".join(f"k.{name}" for name in _FIELDS)
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"""SELECT {columns}, w.kind, m.role, m.app_ids AS member_app_ids
            FROM api_keys AS k JOIN workspaces AS w USING (workspace_id)
            LEFT JOIN memberships AS m ON m.workspace_id = k.workspace_id AND m.person_id = k.person_id
            WHERE k.prefix = %s""",
            (prefix,),
        ).fetchone()
    if row is None:
        return None
    kind, role, apps = row.pop("kind"), row.pop("role"), row.pop("member_app_ids")
    return Kept(_kept(row), kind, Member(role, None if apps is None else tuple(apps)) if role else None)


def _new_text() -> tuple[str, str]:
    text = key_text(secrets.token_bytes(PREFIX_BYTES), secrets.token_bytes(SECRET_BYTES))
    prefix = prefix_of(text)
    assert prefix is not None
    return text, prefix


def _person_id(connection: Connection, asked: NewKey) -> int:
    """Whose key it is to be, who may do and see all that it may."""
    [person, *_] = [*people.list_people(connection, asked.workspace_id, asked.email), None]
    if person is None:
        raise KeyRefused(f"{asked.email} is no member of {asked.workspace_id}. `quarterhour people set` makes them one.")
    allowed = ROLE_SCOPES[person.role]
    if not set(asked.scopes) <= allowed:
        raise KeyRefused(f"{asked.email} is {person.role} of {asked.workspace_id}, whose keys have the scopes {', '.join(sorted(allowed))} and no other.")
    if person.app_ids is not None and not set(asked.app_ids) <= set(person.app_ids):
        raise KeyRefused(f"{asked.email} may see the apps {', '.join(person.app_ids)} of {asked.workspace_id} and no other.")
    return person.person_id


def _insert(connection: Connection, key: ApiKey) -> None:
    row = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(key).items()}
    connection.execute(f"INSERT INTO api_keys ({_COLUMNS}) VALUES ({_VALUES})", row)


def _kept(row: dict[str, Any]) -> ApiKey:
    """PostgreSQL's arrays are lists."""
    return ApiKey(**row | {"scopes": tuple(row["scopes"]), "app_ids": tuple(row["app_ids"]) if row["app_ids"] else None})

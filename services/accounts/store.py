"""Accounts in PostgreSQL (sql/postgres): keys, and one pool of connections for all that accounts are asked.

Rule: every request looks its key up, so that a revoked key is refused at once; nothing is cached. Instants are handed in, aware and in UTC.
Limit: one pool of at most `pool_max` connections a process; a caller waits `wait_s` for one, then `AccountsUnavailable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from services.accounts import exports, key_store, people, use
from services.accounts.key_store import NewKey
from services.accounts.keys import ApiKey, Principal, Refused, admit, prefix_of
from services.accounts.limits import LIMITS, MINUTE, Limits, Use, WorkspaceKind
from services.accounts.people import Person, Workspace
from services.accounts.roles import Role
from services.accounts.scopes import KeyScope
from services.runtime.errors import Unavailable

_AWAY: Final = "PostgreSQL does not answer: check that it runs and that QUARTERHOUR_POSTGRES__DSN is right."
_NO_TABLES: Final = "PostgreSQL does not have the tables of accounts of this version: run `quarterhour migrate`."


class AccountsUnavailable(Unavailable):
    """PostgreSQL does not answer, or has no tables of accounts yet. `str()` says what to do and holds no secret."""


class Accounts:
    """The accounts of one database. A context manager: leaving it closes the pool."""

    def __init__(self, dsn: str, *, limits: Mapping[WorkspaceKind, Limits] = LIMITS, pool_max: int = 8, wait_s: float = 5.0) -> None:
        self._limits = limits
        # The pool opens its first connection when one is asked for: a database that is away must not stop a service from starting.
        self._pool = ConnectionPool(
            dsn,
            min_size=0,
            max_size=pool_max,
            timeout=wait_s,
            open=False,
            kwargs={"connect_timeout": max(2, int(wait_s))},
            # After a restart of the database the pool holds dead connections; who asks must not notice.
            check=ConnectionPool.check_connection,
        )

    def __enter__(self) -> Self:
        self._pool.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.close()

    def check(self) -> None:
        """Whether keys can be looked up. Raises AccountsUnavailable."""
        with self._connection() as connection:
            key_store.find(connection, "")

    def create_key(
        self,
        workspace_id: str,
        now: datetime,
        *,
        name: str = "",
        scopes: Sequence[KeyScope],
        app_ids: Sequence[str] = (),
        expires_at: datetime | None = None,
        email: str | None = None,
        limits: tuple[int | None, int | None, int | None] = (None, None, None),
    ) -> tuple[str, ApiKey]:
        """A new key, shown here and never again, and what is kept of it. A workspace that is not known yet is made (standard).

        `email`: it is the key of this person. `limits`: requests and seconds of reading a minute, exports at one time; where it has its own.
        Raises KeyRefused.
        """
        asked = NewKey(workspace_id, name, tuple(scopes), tuple(app_ids), expires_at, email, limits)
        with self._connection() as connection:
            return key_store.create(connection, asked, now)

    def rotate_key(self, prefix: str, now: datetime, until: datetime) -> tuple[str, ApiKey]:
        """A key that takes the place of this one, which stays good until then and no longer. Raises KeyRefused."""
        with self._connection() as connection:
            return key_store.rotate(connection, prefix, now, until)

    def list_keys(self, workspace_id: str | None = None) -> list[ApiKey]:
        """The keys of a workspace, or of all, revoked ones too; oldest first."""
        with self._connection() as connection:
            return key_store.listed(connection, workspace_id)

    def revoke_key(self, prefix: str, now: datetime) -> bool:
        """Refuse the key from now on. False: there is no key with this prefix. A key once revoked stays as it is."""
        with self._connection() as connection:
            return key_store.revoke(connection, prefix, now)

    def admit(self, text: str, now: datetime) -> Principal | Refused:
        """Who shows this key, or why not. Raises AccountsUnavailable."""
        prefix = prefix_of(text)
        if prefix is None:
            return "unknown"
        with self._connection() as connection:
            return admit(text, key_store.find(connection, prefix), now, self._limits)

    def enter(self, text: str, now: datetime) -> tuple[Principal, Use] | Refused:
        """As `admit`, and counts one request of the key."""
        prefix = prefix_of(text)
        if prefix is None:
            return "unknown"
        with self._connection() as connection:
            kept = key_store.find(connection, prefix)
            principal = admit(text, kept, now, self._limits)
            if not isinstance(principal, Principal):
                return principal
            assert kept is not None
            if kept.key.last_used_at is None or abs(now - kept.key.last_used_at) >= MINUTE:
                use.note(connection, prefix, now)
            return principal, use.add(connection, prefix, now, requests=1)

    def charge(self, principal: Principal, now: datetime, read_ms: int) -> None:
        """What a question cost, when it is answered."""
        with self._connection() as connection:
            use.add(connection, principal.key_prefix, now, read_ms=read_ms)

    def set_workspace(self, workspace_id: str, kind: WorkspaceKind | None, now: datetime) -> None:
        with self._connection() as connection:
            people.set_workspace(connection, workspace_id, kind, now)

    def list_workspaces(self, now: datetime) -> list[Workspace]:
        with self._connection() as connection:
            return people.list_workspaces(connection, now)

    def name_app(self, workspace_id: str, app_id: str, name: str, now: datetime) -> None:
        with self._connection() as connection:
            people.name_app(connection, workspace_id, app_id, name, now)

    def app_names(self, workspace_id: str, app_ids: Sequence[str] = ()) -> Mapping[str, str]:
        """App → name, by id; of these apps, or of all."""
        with self._connection() as connection:
            return people.app_names(connection, workspace_id, app_ids)

    def set_person(self, workspace_id: str, email: str, role: Role, app_ids: Sequence[str] | None, now: datetime, *, name: str = "") -> None:
        """Make a person a member, or change what they are. A workspace owner has no apps of their own: they see all."""
        with self._connection() as connection:
            people.set_person(connection, workspace_id, email, role, app_ids, now, name=name)

    def list_people(self, workspace_id: str | None = None) -> list[Person]:
        with self._connection() as connection:
            return people.list_people(connection, workspace_id)

    def remove_person(self, workspace_id: str, email: str, now: datetime) -> bool:
        with self._connection() as connection:
            return people.remove_person(connection, workspace_id, email, now)

    def begin_export(self, principal: Principal, manifest: exports.Manifest, now: datetime) -> None:
        """Raises QuotaExceeded when the key has as many exports under way as it may."""
        with self._connection() as connection:
            exports.begin(connection, principal, manifest, now)

    def end_export(self, export_id: str, manifest: exports.Manifest, now: datetime) -> None:
        with self._connection() as connection:
            exports.end(connection, export_id, manifest, now)

    def find_export(self, principal: Principal, export_id: str) -> exports.Manifest | None:
        with self._connection() as connection:
            return exports.find(connection, principal, export_id)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise AccountsUnavailable(_NO_TABLES) from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise AccountsUnavailable(_AWAY) from error

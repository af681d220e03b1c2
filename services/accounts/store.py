"""Workspaces and keys in PostgreSQL (sql/postgres/0001_accounts.sql).

Rule: every request looks its key up, so that a revoked key is refused at once; nothing is cached. Instants are handed in, aware and in UTC.
Limit: one pool of at most `pool_max` connections a process; a caller waits `wait_s` for one, then `AccountsUnavailable`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from services.accounts import exports
from services.accounts.keys import PREFIX_BYTES, SECRET_BYTES, ApiKey, KeyScope, Principal, Refused, admit, key_hash, key_text, prefix_of
from services.runtime.errors import Unavailable

_KEY_COLUMNS: Final = "prefix, workspace_id, name, hash, last_four, scopes, app_ids, created_at, expires_at, revoked_at"


class AccountsUnavailable(Unavailable):
    """PostgreSQL does not answer, or has no tables of accounts yet. `str()` says what to do and holds no secret."""


class Accounts:
    """The accounts of one database. A context manager: leaving it closes the pool."""

    def __init__(self, dsn: str, *, pool_max: int = 8, wait_s: float = 5.0) -> None:
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
        self._find("")

    def create_key(
        self,
        workspace_id: str,
        now: datetime,
        *,
        name: str = "",
        scopes: Sequence[KeyScope],
        app_ids: Sequence[str] = (),
        expires_at: datetime | None = None,
    ) -> tuple[str, ApiKey]:
        """A new key, shown here and never again, and what is kept of it. A workspace that is not known yet is made (standard, UTC)."""
        text = key_text(secrets.token_bytes(PREFIX_BYTES), secrets.token_bytes(SECRET_BYTES))
        prefix = prefix_of(text)
        assert prefix is not None
        key = ApiKey(prefix, workspace_id, name, key_hash(text), text[-4:], tuple(scopes), tuple(app_ids) or None, now, expires_at, None)
        with self._connection() as connection:
            connection.execute("INSERT INTO workspaces (workspace_id, created_at) VALUES (%s, %s) ON CONFLICT DO NOTHING", (workspace_id, now))
            connection.execute(
                f"INSERT INTO api_keys ({_KEY_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (key.prefix, workspace_id, name, key.hash, key.last_four, list(scopes), list(app_ids) or None, now, expires_at, None),
            )
        return text, key

    def list_keys(self, workspace_id: str | None = None) -> list[ApiKey]:
        """The keys of a workspace, or of all, revoked ones too; oldest first."""
        with self._connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(
                f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE workspace_id = %(workspace)s OR %(workspace)s::text IS NULL ORDER BY created_at, prefix",
                {"workspace": workspace_id},
            )
            return [_kept(row) for row in cursor]

    def revoke_key(self, prefix: str, now: datetime) -> bool:
        """Refuse the key from now on. False: there is no key with this prefix. A key once revoked stays as it is."""
        with self._connection() as connection:
            done = connection.execute("UPDATE api_keys SET revoked_at = coalesce(revoked_at, %s) WHERE prefix = %s", (now, prefix))
            return done.rowcount == 1

    def admit(self, text: str, now: datetime) -> Principal | Refused:
        """Who shows this key, or why not. Raises AccountsUnavailable."""
        prefix = prefix_of(text)
        return "unknown" if prefix is None else admit(text, self._find(prefix), now)

    def begin_export(self, principal: Principal, manifest: exports.Manifest, now: datetime) -> None:
        with self._connection() as connection:
            exports.begin(connection, principal, manifest, now)

    def end_export(self, export_id: str, manifest: exports.Manifest, now: datetime) -> None:
        with self._connection() as connection:
            exports.end(connection, export_id, manifest, now)

    def find_export(self, principal: Principal, export_id: str) -> exports.Manifest | None:
        with self._connection() as connection:
            return exports.find(connection, principal, export_id)

    def _find(self, prefix: str) -> ApiKey | None:
        with self._connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE prefix = %s", (prefix,))
            row = cursor.fetchone()
            return _kept(row) if row else None

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.UndefinedTable as error:
            raise AccountsUnavailable("PostgreSQL has no tables of accounts yet: run `quarterhour migrate`.") from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise AccountsUnavailable("PostgreSQL does not answer: check that it runs and that QUARTERHOUR_POSTGRES__DSN is right.") from error


def _kept(row: dict[str, Any]) -> ApiKey:
    """PostgreSQL's arrays are lists."""
    return ApiKey(**row | {"scopes": tuple(row["scopes"]), "app_ids": tuple(row["app_ids"]) if row["app_ids"] else None})

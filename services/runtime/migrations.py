"""Bring both stores to the schema of this version: numbered .sql files, applied once, in order, and only forwards.

Rule: an applied file never changes (its SHA-256 is kept), a store that knows more than we do is left alone, one statement goes in a request.
One runner works at a time: it holds an advisory lock in PostgreSQL for both stores, which ends with the process that holds it.
A file of PostgreSQL is one transaction. ClickHouse has none around DDL: its statements are repeatable (IF NOT EXISTS), its file is written down last.
Limit: one ClickHouse server (no ON CLUSTER); the files must not use `$tag$` quotes in ClickHouse, nor nested comments.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client

from services.runtime import clickhouse, postgres
from services.runtime.errors import ServiceError
from services.runtime.settings import Settings

_LOCK: Final = 7_220_150_815
"""Any number, the same for ever."""
_NUMBERED: Final = re.compile(r"\d{4}_[a-z0-9_]+")
_PIECES: Final = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|(?P<tag>\$\w*\$).*?(?P=tag)|(?P<end>;)|[^;'"`$/-]+|.""", re.DOTALL | re.VERBOSE
)


class MigrationError(ServiceError):
    """The store and the files do not fit together. `str()` says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


class Store(Protocol):
    """What is migrated. The memory of what was applied lives in the store itself."""

    @property
    def name(self) -> str: ...
    def applied(self) -> dict[str, str]:
        """File name → SHA-256. Empty when the store was never migrated."""

    def prepare(self) -> None:
        """Make the table that remembers."""

    def apply(self, migration: Migration) -> None: ...


def migrate_all(settings: Settings) -> list[str]:
    """Make the databases and apply what is missing. The applied files, as `store/name`. Raises `MigrationError`, `Unavailable`."""
    if not postgres.has_database(settings.postgres):
        postgres.create_database(settings.postgres)
    with postgres.connect(settings.postgres) as connection, _alone(connection), _clickhouse(settings, create=True) as client:
        assert client is not None
        stores: list[Store] = [PostgresStore(connection), ClickHouseStore(client)]
        work = [(store, pending(store)) for store in stores]
        return [f"{store.name}/{migration.name}" for store, migrations in work for migration in _apply(store, migrations)]


def plan(settings: Settings) -> list[str]:
    """What `migrate_all` would apply; changes nothing. Raises as it does."""
    names: list[str] = []
    if postgres.has_database(settings.postgres):
        with postgres.connect(settings.postgres) as connection:
            names += [f"postgres/{migration.name}" for migration in pending(PostgresStore(connection))]
    else:
        names += [f"postgres/{migration.name}" for migration in read_migrations("postgres")]
    with _clickhouse(settings, create=False) as client:
        found = pending(ClickHouseStore(client)) if client else read_migrations("clickhouse")
        return names + [f"clickhouse/{migration.name}" for migration in found]


def read_migrations(store: str) -> list[Migration]:
    """The files of one store, in order."""
    return [Migration(path.stem, path.read_text()) for path in sorted((_sql_folder() / store).glob("*.sql"))]


def pending(store: Store, files: list[Migration] | None = None) -> list[Migration]:
    """The files that the store lacks, in order. Raises `MigrationError` when they do not follow on what it has."""
    files = read_migrations(store.name) if files is None else files
    applied = store.applied()
    _check(store.name, files, applied)
    return [migration for migration in files if migration.name not in applied]


def split_statements(text: str) -> list[str]:
    """The statements of a file, without the semicolons between them."""
    statements, start = [], 0
    bare = False
    for piece in _PIECES.finditer(text):
        if piece["end"]:
            statements += [text[start : piece.start()].strip()] if bare else []
            start, bare = piece.end(), False
        elif not piece.group().isspace() and not piece.group().startswith(("--", "/*")):
            bare = True
    return statements + ([text[start:].strip()] if bare else [])


class PostgresStore:
    name = "postgres"

    def __init__(self, connection: postgres.Connection) -> None:
        self._connection = connection

    def applied(self) -> dict[str, str]:
        if self._connection.execute("SELECT to_regclass('schema_migrations')").fetchone() == (None,):
            return {}
        return {str(name): str(sha256) for name, sha256 in self._connection.execute("SELECT name, sha256 FROM schema_migrations")}

    def prepare(self) -> None:
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )

    def apply(self, migration: Migration) -> None:
        with self._connection.transaction():
            for statement in split_statements(migration.sql):
                self._connection.execute(postgres.statement(statement))
            self._connection.execute("INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)", [migration.name, migration.sha256])


class ClickHouseStore:
    name = "clickhouse"

    def __init__(self, client: Client) -> None:
        self._client = client

    def applied(self) -> dict[str, str]:
        if not self._client.command("EXISTS TABLE schema_migrations"):
            return {}
        return {str(name): str(sha256) for name, sha256 in self._client.query("SELECT name, sha256 FROM schema_migrations").result_rows}

    def prepare(self) -> None:
        self._client.command(
            """CREATE TABLE IF NOT EXISTS schema_migrations
            (
                name String COMMENT 'File, without .sql.',
                sha256 String COMMENT 'Of the file as it was applied.',
                applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When.'
            )
            ENGINE = MergeTree ORDER BY name
            COMMENT 'Files of sql/clickhouse that were applied here by `quarterhour migrate`.'"""
        )

    def apply(self, migration: Migration) -> None:
        for statement in split_statements(migration.sql):
            self._client.command(statement)
        self._client.insert("schema_migrations", [[migration.name, migration.sha256]], column_names=["name", "sha256"])


def _apply(store: Store, migrations: list[Migration]) -> Iterator[Migration]:
    if migrations:
        store.prepare()
    for migration in migrations:
        try:
            store.apply(migration)
        except Exception as error:
            error.add_note(f"while {store.name}/{migration.name}.sql was applied; what is not written down in schema_migrations is applied again next time")
            raise
        yield migration


def _check(store: str, files: list[Migration], applied: dict[str, str]) -> None:
    known = {migration.name: migration for migration in files}
    if wrong := [name for name in known if not _NUMBERED.fullmatch(name)]:
        raise MigrationError(f"sql/{store}: {', '.join(wrong)}: names are four digits, an underscore, and words in lower case.")
    if len({name[:4] for name in known}) < len(known):
        raise MigrationError(f"sql/{store} has a number twice: give the newer file the next number.")
    if ahead := sorted(applied.keys() - known.keys()):
        raise MigrationError(f"The {store} database is ahead of this version: it has {', '.join(ahead)}. Use the version that made it, or a newer one.")
    if changed := [name for name, sha256 in applied.items() if known[name].sha256 != sha256]:
        raise MigrationError(f"{', '.join(sorted(changed))} in sql/{store} changed after it was applied. Restore the file, and make the change in a new one.")
    if late := [name for name in known if name not in applied and applied and name < max(applied)]:
        raise MigrationError(f"{', '.join(late)} in sql/{store} comes before {max(applied)}, which was applied already: give it the next number.")


@contextmanager
def _alone(connection: postgres.Connection) -> Iterator[None]:
    """Wait for other runners. The lock ends with the connection at the latest."""
    connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


@contextmanager
def _clickhouse(settings: Settings, *, create: bool) -> Iterator[Client | None]:
    """A client of the facts' database; None when it is not there and must not be made."""
    name = quote_identifier(settings.clickhouse.database)
    server = clickhouse.connect(settings.clickhouse, database="")
    try:
        found = bool(server.command(f"EXISTS DATABASE {name}"))
        if create and not found:
            server.command(f"CREATE DATABASE IF NOT EXISTS {name} COMMENT 'Usage facts of Quarterhour. Analysts: the views v_*.'")
    finally:
        server.close()
    if not found and not create:
        yield None
        return
    client = clickhouse.connect(settings.clickhouse)
    try:
        yield client
    finally:
        client.close()


def _sql_folder() -> Path:
    """In a wheel beside the rooms, in a checkout beside the package."""
    packaged = Path(__file__).parents[1] / "sql"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"

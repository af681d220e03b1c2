"""PostgreSQL connections: one way to connect, and the database made when it is missing.

Rule: sessions run in UTC; error texts never hold the connection string.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from services.runtime.errors import Unavailable
from services.runtime.settings import PostgresSettings

CONNECT_S: Final = 5
_MAINTENANCE: Final = "postgres"

Connection = psycopg.Connection[TupleRow]


def connect(settings: PostgresSettings, *, database: str | None = None) -> Connection:
    """A connection that commits every statement, unless in a `transaction()`. Raises `Unavailable`."""
    try:
        return _connect(settings, database)
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"PostgreSQL cannot be used: {str(error).strip().splitlines()[-1][:300]}. "
            "Start the local stack with `quarterhour up`, or set QUARTERHOUR_POSTGRES__DSN; `quarterhour migrate` makes the database."
        ) from error


def has_database(settings: PostgresSettings) -> bool:
    """Whether the database of the settings is there. Raises `Unavailable` when the server does not answer."""
    try:
        _connect(settings, None).close()
        return True
    except psycopg.OperationalError as refused:
        try:
            with _connect(settings, _MAINTENANCE) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database_name(settings)]).fetchone()
        except psycopg.OperationalError:
            found = (1,)
        if found is None:
            return False
        raise Unavailable(f"PostgreSQL cannot be used: {str(refused).strip().splitlines()[-1][:300]}. Check QUARTERHOUR_POSTGRES__DSN.") from refused


def create_database(settings: PostgresSettings) -> None:
    with connect(settings, database=_MAINTENANCE) as connection:
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database_name(settings))))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            # Two `migrate` at once: the other one made it.
            return


def database_name(settings: PostgresSettings) -> str:
    """The database of the connection string; by PostgreSQL's rule the user's name when it names none."""
    parts = conninfo_to_dict(settings.dsn.get_secret_value())
    return str(parts.get("dbname") or parts.get("user") or _MAINTENANCE)


def statement(text: str) -> sql.SQL:
    """A statement from our own files, which are no user's input."""
    return sql.SQL(text)


def _connect(settings: PostgresSettings, database: str | None) -> Connection:
    return psycopg.connect(
        settings.dsn.get_secret_value(), autocommit=True, dbname=database, connect_timeout=CONNECT_S, options="-c timezone=UTC", application_name="quarterhour"
    )

"""One database for all tests of accounts; each test uses workspaces of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.accounts.store import Accounts
from services.runtime import postgres as server
from services.runtime.migrations import read_migrations
from services.runtime.settings import PostgresSettings
from tests.parts.own import own_postgres


@pytest.fixture(scope="session")
def postgres_dsn(postgres: PostgresSettings) -> Iterator[str]:
    with own_postgres(postgres) as own:
        with server.connect(own) as connection:
            for migration in read_migrations("postgres"):
                connection.execute(migration.sql.encode())
        yield own.dsn.get_secret_value()


@pytest.fixture(scope="session")
def accounts(postgres_dsn: str) -> Iterator[Accounts]:
    with Accounts(postgres_dsn) as accounts:
        yield accounts

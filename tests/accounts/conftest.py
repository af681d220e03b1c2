"""One database for all tests of accounts; each test uses workspaces of its own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from services.accounts.store import Accounts
from services.runtime.migrations import read_migrations
from tests.accounts.database import postgres_server


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    with postgres_server() as dsn:
        with psycopg.connect(dsn) as connection:
            for migration in read_migrations("postgres"):
                connection.execute(migration.sql.encode())
        yield dsn


@pytest.fixture(scope="session")
def accounts(postgres_dsn: str) -> Iterator[Accounts]:
    with Accounts(postgres_dsn) as accounts:
        yield accounts

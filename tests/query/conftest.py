"""The databases, once a run, and the application over them with a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.testclient import TestClient

from services.accounts.scopes import DEFAULT_SCOPES, KeyScope
from services.accounts.store import Accounts
from services.query.app import create_app
from services.runtime.migrations import migrate_all
from services.runtime.settings import AccountsSettings, ClickHouseSettings, PostgresSettings, QuerySettings, Settings
from tests.parts.own import own_clickhouse, own_postgres
from tests.query.stage import REVISIONS, ClickHouse, ms, processor_line

NOW = "2026-03-15T12:00"
UNBOUNDED = AccountsSettings(standard_requests_per_minute=10**6, standard_read_s_per_minute=10**6, standard_exports_at_once=10**3)
"""The clock of a test stands still, and so does its minute."""


@pytest.fixture(scope="session")
def clickhouse(clickhouse: ClickHouseSettings) -> Iterator[ClickHouse]:
    """The shared server, with a database and ways to put facts into it."""
    with own_clickhouse(clickhouse) as own:
        yield ClickHouse(own)


@pytest.fixture(scope="session")
def settings(clickhouse: ClickHouse, postgres: PostgresSettings) -> Iterator[Settings]:
    with own_postgres(postgres) as own:
        settings = Settings(clickhouse=clickhouse.settings, postgres=own, accounts=UNBOUNDED, query=QuerySettings(reach_kept_ms=0))
        migrate_all(settings)
        yield settings


@pytest.fixture(scope="session")
def accounts(settings: Settings) -> Iterator[Accounts]:
    with Accounts(settings.postgres.dsn.get_secret_value()) as accounts:
        yield accounts


@pytest.fixture
def workspace() -> str:
    return f"w-{uuid4().hex[:12]}"


class Api:
    """A client with a key of the workspace, the clock of the service, and the watermark."""

    def __init__(self, client: TestClient, accounts: Accounts, clickhouse: ClickHouse, workspace: str) -> None:
        self.client, self.accounts, self.clickhouse, self.workspace = client, accounts, clickhouse, workspace
        self.now = NOW
        self.key = self.new_key()

    def metered_until(self, watermark: str) -> None:
        """What the newest line of the ledger says. The ledger is of all workspaces."""
        self.clickhouse.put("ledger", processor_line(watermark, next(REVISIONS)))

    def new_key(self, workspace: str | None = None, *, scopes: tuple[KeyScope, ...] = DEFAULT_SCOPES, apps: tuple[str, ...] = ()) -> str:
        text, _ = self.accounts.create_key(workspace or self.workspace, datetime(2026, 1, 1, tzinfo=UTC), scopes=scopes, app_ids=apps)
        return text

    def get(self, path: str, *, key: str | None = None, **parameters: Any) -> httpx.Response:
        """`from_` is `from`."""
        query = {name.removesuffix("_"): value for name, value in parameters.items()}
        response: httpx.Response = self.client.get(path, params=query, headers={"Authorization": f"Bearer {key or self.key}"})
        return response

    def ok(self, path: str, **parameters: Any) -> Any:
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def trends(self, **parameters: Any) -> list[dict[str, Any]]:
        buckets = self.ok("/v1/usage/trends", **parameters)["buckets"]
        assert isinstance(buckets, list)
        return buckets


@pytest.fixture(scope="session")
def client(settings: Settings) -> Iterator[tuple[TestClient, Callable[[Callable[[], int]], None]]]:
    clock: list[Callable[[], int]] = [lambda: ms(NOW)]
    app = create_app(settings, clock_ms=lambda: clock[0]())  # noqa: PLW0108 - looked up at each call
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client, lambda now: clock.__setitem__(0, now)


@pytest.fixture
def api(client: tuple[TestClient, Callable[[Callable[[], int]], None]], accounts: Accounts, clickhouse: ClickHouse, workspace: str) -> Api:
    test_client, set_clock = client
    made = Api(test_client, accounts, clickhouse, workspace)
    set_clock(lambda: ms(made.now))
    made.metered_until(NOW)
    return made

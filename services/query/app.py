"""The query service as an ASGI application: trends, sessions, seats and health (SPEC §1).

Rule: everything it needs is handed to `create_app`; two apps in one process do not know each other. No page loads anything from elsewhere.
Limit: handlers run on Starlette's threads (40 at one time); what lasts is a database's work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.accounts.limits import Limits, WorkspaceKind
from services.accounts.store import Accounts
from services.query.docs import docs_routes
from services.query.freshness import Reach
from services.query.kept import Kept
from services.query.page.routes import page_routes
from services.query.problems import SAFE_HEADERS, answer_with_problems
from services.query.reader import ClickHouseReaders
from services.query.routes.exports import export_routes
from services.query.routes.health import health_routes
from services.query.routes.keys import key_routes
from services.query.routes.lists import list_routes
from services.query.routes.sessions import session_routes
from services.query.routes.trends import trend_routes
from services.query.routes.workspace import workspace_routes
from services.query.shell import Shell
from services.runtime.clock import wall_ms
from services.runtime.settings import AccountsSettings, Settings

API_VERSION: Final = "1"
REACHES_MAX: Final = 100
READ_BESIDE_MAX: Final = 2
DAYS_MAX: Final = 200
"""Each with the days of its workspace: some hundred."""


class SafeHeaders:
    """Headers of every answer, and what is left of the key's limits. Plain ASGI, for it must let a broken stream break."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**SAFE_HEADERS, **scope.get("state", {}).get("rate_limit", {})}.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def limits_of(settings: AccountsSettings) -> dict[WorkspaceKind, Limits]:
    return {
        "standard": Limits(settings.standard_requests_per_minute, settings.standard_read_s_per_minute, settings.standard_exports_at_once),
        "enterprise": Limits(settings.enterprise_requests_per_minute, settings.enterprise_read_s_per_minute, settings.enterprise_exports_at_once),
    }


def create_app(settings: Settings, *, clock_ms: Callable[[], int] = wall_ms) -> FastAPI:
    """The application; connections open with its lifespan and close with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        readers = ClickHouseReaders(settings)
        with (
            Accounts(settings.postgres.dsn.get_secret_value(), limits=limits_of(settings.accounts)) as accounts,
            ThreadPoolExecutor(READ_BESIDE_MAX, "beside") as beside,
        ):
            reaches = Kept[Reach](REACHES_MAX, settings.query.reach_kept_ms, beside=beside)
            app.state.shell = Shell(accounts, readers, clock_ms, reaches, Kept(DAYS_MAX))
            yield
        readers.close()

    app = FastAPI(title="Quarterhour", summary="Usage of conversational-AI platforms.", version=API_VERSION, docs_url=None, redoc_url=None, lifespan=lifespan)

    app.add_middleware(SafeHeaders)
    for routes in (trend_routes, session_routes, export_routes, list_routes, workspace_routes, key_routes, docs_routes, page_routes, health_routes):
        app.include_router(routes)
    answer_with_problems(app)
    return app

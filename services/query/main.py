"""Run the query service with uvicorn: one process, one port, a stop that lets answers finish (for `stop_s`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from services.query.app import create_app
from services.query.counter import Counter
from services.runtime.errors import Unavailable
from services.runtime.garbage import collect_rarely
from services.runtime.lifecycle import Service, run_service
from services.runtime.settings import Settings


class _Server(uvicorn.Server):
    """The process's signals belong to `run_service`, which tells us when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: Settings, service: Service) -> None:
    """The body of the service: returns after the stop. Raises Unavailable when it cannot listen."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.query.host,
        port=settings.query.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.query.stop_s,
    )
    collect_rarely()
    server = _Server(config)
    service.on_stop(lambda: setattr(server, "should_exit", True))
    # What its databases say stands on its own /readyz; the side server tells whether it listens.
    service.ready_when(lambda: {"listens": server.started})
    try:
        with Counter(settings):
            server.run()
    except SystemExit as error:
        raise Unavailable(
            f"The query service cannot listen on {settings.query.host}:{settings.query.port}: free the port, or set QUARTERHOUR_QUERY__PORT."
        ) from error


def run() -> int:
    """Serve until SIGTERM or SIGINT, with the settings of the environment. Gives the exit code."""
    return run_service("query", serve)


if __name__ == "__main__":
    sys.exit(run())

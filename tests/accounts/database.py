"""A real PostgreSQL for tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from services.local.postgres import dsn, start_postgres


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres_server() -> Iterator[str]:
    """Its connection string; without tables yet.

    Not below pytest's own directory: every start of pytest closes that to other users, and PostgreSQL is one when we are root.
    """
    port = free_port()
    with TemporaryDirectory(prefix="quarterhour-postgres-") as place:
        data_dir = Path(place)
        data_dir.chmod(0o755)
        running = start_postgres(data_dir, port)
        try:
            yield dsn(data_dir, port)
        finally:
            running.stop()

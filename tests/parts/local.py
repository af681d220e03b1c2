"""The parts of `services.local`, for tests: on free ports, in directories that vanish.

Rule: each is a process of its own; nothing of an engine lives in the process of the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from services.local.clickhouse.part import start_clickhouse
from services.local.kafka import start_kafka
from services.local.postgres import dsn, start_postgres
from services.runtime.settings import ClickHouseSettings, KafkaSettings, PostgresSettings
from tests.parts.ports import free_port


@contextmanager
def local_kafka() -> Iterator[KafkaSettings]:
    with _directory("kafka") as home:
        port = free_port(2)
        with start_kafka(home, port, port + 1, _quiet):
            yield KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}")


@contextmanager
def local_clickhouse() -> Iterator[ClickHouseSettings]:
    with _directory("clickhouse") as home:
        port = free_port()
        with start_clickhouse(home, port, _quiet):
            yield ClickHouseSettings(url=f"http://127.0.0.1:{port}")


@contextmanager
def local_postgres() -> Iterator[PostgresSettings]:
    with _directory("postgres") as home:
        # PostgreSQL is another user when we are root.
        home.chmod(0o755)
        port = free_port()
        with start_postgres(home, port, _quiet):
            yield PostgresSettings.model_validate({"dsn": dsn(home, port)})


@contextmanager
def _directory(part: str) -> Iterator[Path]:
    """Not below pytest's own: every start of pytest closes those to other users, also of a run that is under way."""
    with TemporaryDirectory(prefix=f"quarterhour-{part}-", ignore_cleanup_errors=True) as place:
        yield Path(place)


def _quiet(_line: str) -> None:
    """Progress is for people who start a stack."""

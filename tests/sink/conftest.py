from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.kafka import start_kafka
from tests.local.clickhouse.server import Server
from tests.sink.stage import Stage

KAFKA_PORT = 21_150
CLICKHOUSE_PORT = 21_152


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = start_kafka(tmp_path_factory.mktemp("kafka"), KAFKA_PORT, KAFKA_PORT + 1, lambda _line: None)
    yield f"127.0.0.1:{KAFKA_PORT}"
    running.stop()


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("clickhouse"), port=CLICKHOUSE_PORT).start()
    yield server
    server.stop()


@pytest.fixture
def bare_stage(kafka: str, clickhouse: Server, tmp_path: Path) -> Iterator[Stage]:
    """Without tables."""
    stage = Stage(kafka, f"http://127.0.0.1:{clickhouse.port}", tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def stage(bare_stage: Stage) -> Stage:
    bare_stage.migrate()
    return bare_stage

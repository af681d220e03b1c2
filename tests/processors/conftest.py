"""A broker for the contract tests: the one of QUARTERHOUR_TEST_KAFKA, or one of our own for the session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.processors.stage import Stage

PORT = 21310


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    given = os.environ.get("QUARTERHOUR_TEST_KAFKA")
    if given:
        yield given
        return
    from services.local.kafka import start_kafka

    broker = start_kafka(tmp_path_factory.mktemp("kafka"), PORT, PORT + 1)
    yield f"127.0.0.1:{PORT}"
    broker.stop()


@pytest.fixture
def stage(kafka: str, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(kafka, f"test-{uuid4().hex[:8]}", tmp_path)
    yield made
    made.close()

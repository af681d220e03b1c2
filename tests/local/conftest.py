"""Real parts for the tests of this folder, started once. Ports 21000-21099 of the loopback address."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.kafka import start_kafka
from services.runtime.settings import Settings, read_settings

KAFKA_PORT = 21_010


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a broker that runs for the whole session."""
    with start_kafka(tmp_path_factory.mktemp("kafka"), KAFKA_PORT, KAFKA_PORT + 1):
        yield read_settings({"QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{KAFKA_PORT}"})


@pytest.fixture
def said() -> list[str]:
    """What was told to people: `said.append` is a `Say`."""
    return []


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty directory. Not pytest's own: each start of pytest shuts those against the user that PostgreSQL runs as, also of a run that is under way."""
    with tempfile.TemporaryDirectory(prefix="quarterhour-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)

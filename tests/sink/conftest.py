"""A stage on the shared servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.settings import ClickHouseSettings, KafkaSettings
from tests.sink.stage import Stage


@pytest.fixture
def bare_stage(kafka: KafkaSettings, clickhouse: ClickHouseSettings, tmp_path: Path) -> Iterator[Stage]:
    """Without tables."""
    with Stage(kafka, clickhouse, tmp_path) as stage:
        yield stage


@pytest.fixture
def stage(bare_stage: Stage) -> Stage:
    bare_stage.migrate()
    return bare_stage

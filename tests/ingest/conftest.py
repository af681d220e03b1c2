"""A stage for each test, on the broker of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.settings import KafkaSettings
from tests.ingest.stage import Stage


@pytest.fixture
def stage(kafka: KafkaSettings, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(kafka, tmp_path)
    yield made
    made.close()

"""A stage of contract tests on the shared broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.runtime.settings import KafkaSettings
from tests.processors.stage import Stage


@pytest.fixture
def stage(kafka: KafkaSettings, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(kafka, f"test-{uuid4().hex[:8]}", tmp_path)
    yield made
    made.close()

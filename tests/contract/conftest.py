"""The stages: processors around a counting fold, and the real meters behind a real ingest; topics of their own making on the broker of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.settings import KafkaSettings
from tests.contract.metering import Metering
from tests.processors.conftest import stage

__all__ = ["metering", "stage"]


@pytest.fixture
def metering(kafka: KafkaSettings, tmp_path: Path) -> Iterator[Metering]:
    made = Metering(kafka, tmp_path)
    yield made
    made.close()

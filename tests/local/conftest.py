"""What the tests of this folder share: directories, and ears."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def said() -> list[str]:
    """What was told to people: `said.append` is a `Say`."""
    return []


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty directory. Not pytest's own: each start of pytest shuts those against the user that PostgreSQL runs as, also of a run that is under way."""
    with tempfile.TemporaryDirectory(prefix="quarterhour-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)

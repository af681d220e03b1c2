"""A small campaign: each part is killed once or twice under load, and nothing is lost, wrong or doubled. The large one is `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.local.jars import fetch_jars
from services.local.kafka import LOCK, jar_cache
from tests.chaos.campaign import Size, run_campaign, tell


@pytest.fixture(autouse=True)
def jars() -> None:
    """Fetched beforehand: on a fresh machine the download is no part of a start."""
    fetch_jars(LOCK, jar_cache(), tell)


@pytest.mark.timeout(600)
def test_parts_killed_under_load_lose_nothing_and_say_nothing_twice(tmp_path: Path) -> None:
    result = run_campaign(Size(seed=3, days=1, conversations_per_day=250, rate=120.0, single_kills=7, long=False), tmp_path, tell)

    assert result.kills == 7
    assert result.verdict.problems == []
    assert result.verdict.figures["facts"] > 5_000

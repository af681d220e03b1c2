"""README.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_that_the_table_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (HERE / "README.md").read_text()))
    there = {name for folder in (HERE, HERE.parent / "query") for file in folder.glob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())}
    assert named - there == set()
    assert len(named) > 20

"""ruff, mypy and import-linter find nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tidy.tree import ROOT

BIN = Path(sys.executable).parent


def said_by(*command: str) -> str:
    done = subprocess.run((str(BIN / command[0]), *command[1:]), cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_ruff_finds_nothing() -> None:
    assert said_by("ruff", "check", "--quiet", "services", "tests") == ""


def test_imports_go_along_the_data_way() -> None:
    assert said_by("lint-imports") == ""


def test_mypy_finds_nothing() -> None:
    assert said_by("mypy", "services", "tests") == ""

"""The engine's versions are pinned exactly: each guard leans on how these behave, and the tests of this folder say which behaviour that is."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import faust
import pytest

from services.processors import engine
from services.processors.exits import Exit, Fatal

PINNED = ("faust-streaming", "aiokafka", "mode-streaming")


def _pins() -> dict[str, str]:
    """Distribution to the version that pyproject.toml asks for, where it asks for exactly one."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    found = (re.fullmatch(r"([a-z-]+)(?:\[[a-z0-9,]+\])?==([0-9.]+)", line) for line in project["dependencies"])
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize("name", PINNED)
def test_the_installed_version_is_the_pinned_one(name: str) -> None:
    assert version(name) == _pins()[name]


def test_the_installed_engine_is_accepted() -> None:
    engine.check_engine()
    assert _pins()["faust-streaming"] == engine.FAUST_VERSION


def test_another_version_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faust, "__version__", "0.15.4")

    with pytest.raises(Fatal, match=r"0\.15\.3 is needed, 0\.15\.4 is installed") as refused:
        engine.check_engine()
    assert refused.value.exit_code == Exit.SETUP


def test_faust_without_its_compiled_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its substitute in Python acknowledges the messages that it skips after a rebalance."""
    monkeypatch.setattr(engine, "find_spec", lambda _name: None)

    with pytest.raises(Fatal, match="without its compiled part") as refused:
        engine.check_engine()
    assert refused.value.exit_code == Exit.SETUP

"""The stage of the processors: topics of their own making on the broker of the run, workers as processes."""

from __future__ import annotations

from tests.processors.conftest import stage

__all__ = ["stage"]

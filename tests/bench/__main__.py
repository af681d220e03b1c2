"""`python -m tests.bench`: the measurements, stage by stage or all of them."""

from __future__ import annotations

from tests.bench.cli import app

app(prog_name="python -m tests.bench")

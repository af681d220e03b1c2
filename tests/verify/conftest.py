"""The broker and the topics of the commands' tests, with the commands of this folder; and a system to prove."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli import dump, emit, meter, simulate
from services.runtime.settings import ClickHouseSettings, KafkaSettings, environment_of
from tests.cli.conftest import Log, Run, log
from tests.parts.own import own_clickhouse
from tests.verify.stage import Stage

__all__ = ["log"]


@pytest.fixture
def run(log: Log, tmp_path: Path) -> Run:
    """Run a command against the broker: `run("dump", "--topic", topic)`."""
    app = typer.Typer()
    for module in (dump, emit, meter, simulate):
        module.register(app)

    def call(*arguments: object, stdin: bytes | None = None) -> Result:
        local = [] if arguments[0] == "meter" else ["--data-dir", str(tmp_path / "no-stack")]
        return CliRunner().invoke(app, [*map(str, arguments), *local], input=stdin, env=environment_of(log.settings))

    return call


@pytest.fixture(scope="module")
def stage(kafka: KafkaSettings, clickhouse: ClickHouseSettings) -> Iterator[Stage]:
    with own_clickhouse(clickhouse) as database:
        yield Stage(kafka, database)

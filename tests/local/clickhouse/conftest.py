"""A server of the local engine, once for this folder: what it speaks is tested here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local.clickhouse.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("clickhouse")).start()
    running.ask("CREATE DATABASE t")
    yield running
    running.stop()

"""The real database server: a password, data over a kill, and clear words about a damaged directory."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from services.local.part import PartError
from services.local.postgres import dsn, start_postgres
from tests.parts.ports import free_port

PORT = free_port()


def test_the_database_is_there_and_keeps_its_data_over_a_kill(home: Path, said: list[str]) -> None:
    with start_postgres(home, PORT, said.append) as server:
        with psycopg.connect(dsn(home, PORT)) as connection:
            connection.execute("CREATE TABLE kept (value text)")
            connection.execute("INSERT INTO kept VALUES ('here')")
        server.kill()
    with start_postgres(home, PORT, said.append), psycopg.connect(dsn(home, PORT)) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == ("here",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_nobody_gets_in_without_the_password(home: Path, said: list[str]) -> None:
    with start_postgres(home, PORT, said.append):
        for user in ("postgres", "postgres:guess"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"postgresql://{user}@127.0.0.1:{PORT}/quarterhour")
    assert (home / "password").stat().st_mode & 0o777 == 0o600


def test_a_stop_does_not_wait_for_clients_that_stay_connected(home: Path, said: list[str]) -> None:
    with start_postgres(home, PORT, said.append) as server, psycopg.connect(dsn(home, PORT)):
        server.stop()
        assert server.process.returncode == 0


def test_an_initialisation_that_was_interrupted_is_done_again(home: Path, said: list[str]) -> None:
    (home / "db.initialising").mkdir()
    (home / "db.initialising" / "half").touch()
    start_postgres(home, PORT, said.append).stop()
    assert not (home / "db.initialising").exists()


def test_a_directory_that_is_no_database_is_refused_with_the_way_out(home: Path, said: list[str]) -> None:
    (home / "db").mkdir()
    with pytest.raises(PartError, match=r"holds no PG_VERSION.*move it away"):
        start_postgres(home, PORT, said.append)

"""The server as a process: users, stop, crash, a taken port, a damaged folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.local.clickhouse.users import add_user
from tests.local.clickhouse.server import Server, launch
from tests.parts.ports import free_port


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    """With a user who writes and one who reads."""
    users = tmp_path / "users.json"
    add_user(users, "writer", "secret")
    add_user(users, "analyst", "pä:ss", readonly=2)
    server = Server(tmp_path / "data", ("--users", str(users))).start()
    yield server
    server.stop()


def test_users_come_in_by_header_by_basic_and_by_url_and_others_do_not(guarded: Server) -> None:
    assert guarded.ask("SELECT 1").code == "516"
    assert guarded.ask("SELECT 1", user="writer", password="wrong").status == 403
    assert guarded.ask("SELECT 1", user="writer", password="secret").text == "1\n"
    assert guarded.ask("SELECT 1", headers={"X-ClickHouse-User": "writer", "X-ClickHouse-Key": "secret"}).text == "1\n"
    assert guarded.client(username="analyst", password="pä:ss").query("SELECT 1").result_rows == [(1,)]
    assert guarded.ask(path="/ping").status == 200


def test_a_read_only_user_reads_sets_limits_and_writes_nothing(guarded: Server) -> None:
    writer: dict[str, Any] = {"user": "writer", "password": "secret"}
    analyst: dict[str, Any] = {"user": "analyst", "password": "pä:ss"}
    guarded.ask("CREATE DATABASE d", **writer)
    guarded.ask("CREATE TABLE d.t (a UInt8) ENGINE = MergeTree ORDER BY a", **writer)
    assert guarded.ask("SELECT count() FROM d.t", max_threads="1", **analyst).text == "0\n"
    assert guarded.ask("INSERT INTO d.t FORMAT TSV", body=b"1\n", **analyst).code == "164"
    assert guarded.ask("DROP TABLE d.t", **analyst).code == "164"
    assert guarded.ask("SELECT 1", readonly="0", **analyst).code == "164"


def test_what_was_acknowledged_is_there_after_a_stop_and_after_a_kill(data_dir: Path) -> None:
    server = Server(data_dir).start()
    server.ask("CREATE DATABASE d")
    server.ask("CREATE TABLE d.t (a UInt64) ENGINE = ReplacingMergeTree ORDER BY a")
    for number in range(20):
        assert server.ask("INSERT INTO d.t FORMAT TSV", body=f"{number}\n".encode()).status == 200
    assert server.stop() == 0
    server.start()
    for number in range(20, 40):
        assert server.ask("INSERT INTO d.t FORMAT TSV", body=f"{number}\n".encode()).status == 200
    server.kill()
    server.start()
    assert server.ask("SELECT count(), max(a) FROM d.t").text == "40\t39\n"
    server.stop()


def test_a_taken_port_and_a_taken_folder_are_told(data_dir: Path, tmp_path: Path) -> None:
    server = Server(data_dir).start()
    assert "choose another --port" in refusal(launch(tmp_path / "other", server.port))
    assert "Another server uses" in refusal(launch(data_dir, free_port()))
    server.stop()


def test_a_damaged_folder_is_told_with_the_way_out(data_dir: Path) -> None:
    server = Server(data_dir).start()
    server.ask("CREATE DATABASE d")
    server.stop()
    shutil.rmtree(data_dir / "engine" / "store", ignore_errors=True)
    for file in (data_dir / "engine" / "metadata").glob("*.sql"):
        file.write_text("no sql at all")
    told = refusal(launch(data_dir, server.port))
    assert "cannot be opened" in told
    assert "quarterhour migrate" in told


def test_an_open_address_needs_users(data_dir: Path) -> None:
    assert "--add-user" in refusal(launch(data_dir, free_port(), "--host", "0.0.0.0"))


def refusal(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    return errors

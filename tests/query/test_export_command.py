"""`quarterhour export` against the service on a real port: a file with the asked name is whole, or there is none."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.accounts.store import Accounts
from services.cli import app
from services.runtime.settings import Settings
from tests.parts.ports import free_port
from tests.query.stage import REVISIONS, ClickHouse, processor_line, session
from tests.query.test_csv import served

MARCH = ("--from", "2026-03-01", "--to", "2026-03-08", "--timezone", "Asia/Kolkata")
ROWS = 300


@pytest.fixture(scope="module")
def service(settings: Settings, clickhouse: ClickHouse, accounts: Accounts) -> Iterator[tuple[int, str]]:
    """(port, key) of a workspace with sessions."""
    key, _ = accounts.create_key("w-exported", datetime(2026, 1, 1, tzinfo=UTC), scopes=["export"])
    facts = (session("w-exported", f"2026-03-0{1 + number % 7}T10:{number % 60:02}:{number // 60:02}", channel_user_id="x" * 1000) for number in range(ROWS))
    clickhouse.put("billing_sessions", *facts)
    clickhouse.put("ledger", processor_line("2026-03-15T12:00", next(REVISIONS)))
    with served(settings) as port:
        yield port, key


def export(port: int, key: str, *arguments: str) -> Result:
    environment = {"QUARTERHOUR_CLIENT__KEY": key, "QUARTERHOUR_CLIENT__URL": f"http://127.0.0.1:{port}"}
    return CliRunner().invoke(app, ["export", *arguments], env=environment)


@contextmanager
def in_between(port: int, change: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """A port whose answers pass through `change`, piece by piece; None: the connection ends there."""
    at = free_port()
    with socket.create_server(("127.0.0.1", at)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_relay, args=(client, port, change), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield at
        listener.shutdown(socket.SHUT_RDWR)


def _relay(client: socket.socket, port: int, change: Callable[[bytes], bytes | None]) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        threading.Thread(target=_forward, args=(client, server), daemon=True).start()
        while (piece := server.recv(1 << 14)) and (changed := change(piece)) is not None:
            client.sendall(changed)
        # The other thread waits for the client: closing alone would end nothing.
        client.shutdown(socket.SHUT_RDWR)


def _forward(client: socket.socket, server: socket.socket) -> None:
    try:
        while piece := client.recv(1 << 14):
            server.sendall(piece)
    except OSError:
        return


def test_a_file_stands_beside_the_manifest_that_proves_it(service: tuple[int, str], tmp_path: Path) -> None:
    out = tmp_path / "march.csv"
    result = export(*service, *MARCH, "--out", str(out), "--type", "usage")
    assert (result.exit_code, result.stdout) == (0, f"{out}\n"), result.stderr
    manifest = json.loads((tmp_path / "march.csv.manifest.json").read_text())
    body = out.read_bytes()
    assert (manifest["rows"], manifest["sha256"], manifest["state"]) == (ROWS, sha256(body).hexdigest(), "complete")
    assert body.count(b"\n") == ROWS + 1
    assert f"{ROWS} rows" in result.stderr
    assert "only late events can change it" in result.stderr
    assert service[1] not in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["march.csv", "march.csv.manifest.json"]


def test_a_range_that_is_not_over_is_told(service: tuple[int, str], tmp_path: Path) -> None:
    result = export(*service, "--range", "3m", "--out", str(tmp_path / "open.csv"))
    assert result.exit_code == 0, result.stderr
    assert "The range is not over: it is metered up to 2026-03-15T12:00" in result.stderr


def test_without_a_name_the_file_has_that_of_the_service(service: tuple[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text(f"{service[1]}\n")
    result = export(service[0], "", *MARCH, "--key-file", "key")
    assert (result.exit_code, result.stdout) == (0, "billing-sessions_2026-03-01_2026-03-08_Asia-Kolkata.csv\n"), result.stderr


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_transfer_that_ends_early_leaves_no_file(service: tuple[int, str], tmp_path: Path, after: int) -> None:
    pieces = iter(range(1000))
    with in_between(service[0], lambda piece: piece if next(pieces) < after else None) as port:
        result = export(port, service[1], *MARCH, "--out", str(tmp_path / "march.csv"))
    assert (result.exit_code, list(tmp_path.iterdir())) == (69, [])
    assert "no file was kept" in result.stderr


def test_a_file_that_is_not_what_its_manifest_says_is_not_kept(service: tuple[int, str], tmp_path: Path) -> None:
    with in_between(service[0], lambda piece: piece.replace(b"xxxxxx", b"xxyxxx")) as port:
        result = export(port, service[1], *MARCH, "--out", str(tmp_path / "march.csv"))
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert "sha256" in result.stderr


def test_a_file_of_another_range_is_not_kept(service: tuple[int, str], tmp_path: Path) -> None:
    with in_between(service[0], lambda piece: piece.replace(b'"from":"2026-03-01', b'"from":"2026-03-02')) as port:
        result = export(port, service[1], *MARCH, "--out", str(tmp_path / "march.csv"))
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert "another range" in result.stderr


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(service: tuple[int, str], tmp_path: Path) -> None:
    out = tmp_path / "march.csv"
    out.write_text("old")
    assert export(*service, *MARCH, "--out", str(out)).exit_code == 1
    with in_between(service[0], lambda _piece: None) as port:
        assert export(port, service[1], *MARCH, "--out", str(out), "--force").exit_code == 69
    assert out.read_text() == "old"
    assert export(*service, *MARCH, "--out", str(out), "--force").exit_code == 0
    assert out.stat().st_size > ROWS * 1000


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("--range", "5w"), 2, "None of 24h"),
        (("--from", "2026-03-01"), 2, "Missing"),
        (("--from", "2026-03-01", "--to", "yesterday"), 2, "--to"),
        (("rejected", "--app-id", "a"), 2, "no such filter"),
        (("--key-file", "/nowhere/key"), 2, "cannot be read"),
        (("rejected",), 1, "403 not_allowed"),
        (("--url", "ftp://127.0.0.1"), 1, "no address"),
        (("--url", "http://127.0.0.1:9"), 69, "does not answer"),
    ],
)
def test_what_cannot_be_done_says_why(service: tuple[int, str], tmp_path: Path, arguments: tuple[str, ...], exit_code: int, said: str) -> None:
    result = export(*service, "--out", str(tmp_path / "x.csv"), *arguments)
    assert (result.exit_code, list(tmp_path.iterdir())) == (exit_code, []), result.stderr
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_a_key_is_no_argument(service: tuple[int, str], tmp_path: Path) -> None:
    assert export(*service, "--key", "qh_x").exit_code == 2
    assert "401 unauthenticated" in export(service[0], "qh_wrong", "--out", str(tmp_path / "x.csv")).stderr

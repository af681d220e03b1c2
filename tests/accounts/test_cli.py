"""`quarterhour keys`: the key alone on standard output, the rest beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import typer
from typer.testing import CliRunner, Result

from services.accounts.keys import Principal
from services.accounts.store import Accounts
from services.cli import keys


def run(postgres_dsn: str, *arguments: str) -> Result:
    app = typer.Typer()
    keys.register(app)
    app.command("other")(lambda: None)
    return CliRunner().invoke(app, ["keys", *arguments], env={"QUARTERHOUR_POSTGRES__DSN": postgres_dsn})


def test_a_key_that_was_made_is_good_until_it_is_revoked(postgres_dsn: str, accounts: Accounts) -> None:
    workspace, now = f"w-{uuid4().hex[:8]}", datetime.now(UTC)
    made = run(postgres_dsn, "create", "--workspace", workspace, "--name", "dashboard", "--scope", "read", "--app", "a", "--app", "b", "--expires", "90d")
    key = made.stdout.strip()
    found = accounts.admit(key, now + timedelta(days=89))
    assert found == Principal(workspace, key.split("_")[1], frozenset({"read"}), ("a", "b"))
    assert accounts.admit(key, now + timedelta(days=91)) == "expired"
    listed = run(postgres_dsn, "list", "--workspace", workspace).stdout
    assert all(part in listed for part in (key.split("_")[1], key[-4:], "dashboard", "a, b", "read"))
    assert key.rpartition("_")[2] not in listed
    assert run(postgres_dsn, "revoke", key.split("_")[1]).exit_code == 0
    assert accounts.admit(key, now) == "revoked"


def test_without_options_a_key_reads_and_exports_all_apps(postgres_dsn: str, accounts: Accounts) -> None:
    key = run(postgres_dsn, "create", "--workspace", "w-plain").stdout.strip()
    found = accounts.admit(key, datetime.now(UTC) + timedelta(days=10_000))
    assert isinstance(found, Principal)
    assert (found.scopes, found.app_ids) == (frozenset({"read", "export"}), ())


@pytest.mark.parametrize("wrong", [("--scope", "write"), ("--expires", "soon"), ("--expires", "0d"), ("--workspace", "x" * 129)])
def test_a_wrong_option_makes_no_key(postgres_dsn: str, accounts: Accounts, wrong: tuple[str, str]) -> None:
    before = len(accounts.list_keys())
    assert run(postgres_dsn, "create", "--workspace", "w-wrong", *wrong).exit_code == 2
    assert len(accounts.list_keys()) == before


def test_a_prefix_that_nobody_has_is_an_error(postgres_dsn: str) -> None:
    refused = run(postgres_dsn, "revoke", "0" * 12)
    assert (refused.exit_code, "keys list" in refused.stderr) == (1, True)


def test_a_database_that_is_away_is_said_in_a_sentence() -> None:
    refused = run("postgresql://postgres:secret-word@127.0.0.1:1/none", "list")
    assert (refused.exit_code, "QUARTERHOUR_POSTGRES__DSN" in refused.stderr, "secret-word" in refused.output) == (69, True, False)

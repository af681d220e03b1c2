"""`quarterhour keys`: the key alone on standard output, the rest beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import typer
from typer.testing import CliRunner, Result

from services.accounts.keys import Principal
from services.accounts.store import Accounts
from services.cli import keys, workspaces
from services.local.state import held, write_environment


def run(postgres_dsn: str | None, *arguments: str, group: str = "keys") -> Result:
    app = typer.Typer()
    keys.register(app)
    workspaces.register(app)
    return CliRunner().invoke(app, [group, *arguments], env={"QUARTERHOUR_POSTGRES__DSN": postgres_dsn} if postgres_dsn else {})


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


def test_a_key_is_rotated_by_its_prefix_or_by_itself(postgres_dsn: str, accounts: Accounts) -> None:
    workspace, now = f"w-{uuid4().hex[:8]}", datetime.now(UTC)
    old = run(postgres_dsn, "create", "--workspace", workspace, "--app", "a").stdout.strip()
    rotated = run(postgres_dsn, "rotate", old, "--overlap", "2h")
    new = rotated.stdout.strip()
    found = [accounts.admit(key, now + timedelta(hours=1)) for key in (old, new)]
    assert [each.app_ids for each in found if isinstance(each, Principal)] == [("a",), ("a",)]
    assert accounts.admit(old, now + timedelta(hours=3)) == "expired"
    assert isinstance(accounts.admit(new, now + timedelta(hours=3)), Principal)
    assert f"replaced by {new.split('_')[1]}" in run(postgres_dsn, "list", "--workspace", workspace).stdout
    assert (run(postgres_dsn, "rotate", old).exit_code, run(postgres_dsn, "rotate", "0" * 12).exit_code) == (1, 1)


def test_workspaces_apps_and_people_are_set_and_listed(postgres_dsn: str) -> None:
    acme = f"w-{uuid4().hex[:8]}"
    assert run(postgres_dsn, "set", acme, "--kind", "enterprise", group="workspaces").exit_code == 0
    assert run(postgres_dsn, "name", "st-1", "Shop assistant", "--workspace", acme, group="apps").exit_code == 0
    assert run(postgres_dsn, "set", "Ann@Example.com", "--workspace", acme, "--role", "app_owner", "--app", "st-1", group="people").exit_code == 0
    assert run(postgres_dsn, "create", "--workspace", acme, "--person", "ann@example.com", "--app", "st-1").exit_code == 0
    assert f"{acme}  enterprise  1 keys  1 people" in run(postgres_dsn, "list", group="workspaces").stdout
    assert run(postgres_dsn, "list", "--workspace", acme, group="apps").stdout == "st-1  Shop assistant\n"
    assert run(postgres_dsn, "list", "--workspace", acme, group="people").stdout == f"{acme}  ann@example.com  app_owner  st-1\n"
    assert "ann@example.com" in run(postgres_dsn, "list", "--workspace", acme).stdout
    assert run(postgres_dsn, "remove", "ann@example.com", "--workspace", acme, group="people").exit_code == 0
    assert "revoked" in run(postgres_dsn, "list", "--workspace", acme).stdout


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (("set", "ann@x.org", "--workspace", "w", "--role", "workspace_owner", "--app", "a"), 2),
        (("set", "ann@x.org", "--workspace", "w", "--role", "collaborator"), 2),
        (("set", "ann@x.org", "--workspace", "w", "--role", "king"), 2),
        (("set", "ann", "--workspace", "w", "--role", "workspace_owner"), 2),
        (("remove", "nobody@x.org", "--workspace", "w"), 1),
    ],
)
def test_a_person_that_cannot_be_is_refused(postgres_dsn: str, accounts: Accounts, wrong: tuple[str, ...], code: int) -> None:
    assert run(postgres_dsn, *wrong, group="people").exit_code == code
    assert accounts.list_people("w") == []


def test_the_accounts_of_a_local_stack_are_found_by_its_data_directory(postgres_dsn: str, accounts: Accounts, tmp_path: Path) -> None:
    with held(tmp_path):
        write_environment(tmp_path, {"QUARTERHOUR_POSTGRES__DSN": postgres_dsn})
        made = run(None, "create", "--workspace", "w-local", "--data-dir", str(tmp_path))
    assert isinstance(accounts.admit(made.stdout.strip(), datetime.now(UTC) + timedelta(seconds=1)), Principal)

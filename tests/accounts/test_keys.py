"""API keys: what is kept, who is admitted, and why one is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from services.accounts.keys import Principal, prefix_of
from services.accounts.scopes import KEY_SCOPES
from services.accounts.store import Accounts, AccountsUnavailable
from services.runtime.settings import PostgresSettings
from tests.parts.own import own_postgres

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def workspace() -> str:
    return f"w-{uuid4().hex[:8]}"


def test_a_new_key_is_its_workspace_with_its_scopes_and_apps(accounts: Accounts) -> None:
    acme = workspace()
    text, kept = accounts.create_key(acme, NOW, scopes=["read"], app_ids=["b", "a"])
    assert accounts.admit(text, NOW) == Principal(acme, kept.prefix, frozenset({"read"}), ("b", "a"))


def test_a_key_for_a_known_workspace_leaves_the_workspace_as_it_is(accounts: Accounts, postgres_dsn: str) -> None:
    acme = workspace()
    accounts.create_key(acme, NOW, scopes=["read"])
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("UPDATE workspaces SET kind = 'enterprise' WHERE workspace_id = %s", (acme,))
    accounts.create_key(acme, NOW + MILLISECOND, scopes=["read"])
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("SELECT kind, created_at FROM workspaces WHERE workspace_id = %s", (acme,)).fetchall() == [("enterprise", NOW)]


def test_no_part_of_the_secret_but_its_last_four_is_in_the_database(accounts: Accounts, postgres_dsn: str) -> None:
    text, _ = accounts.create_key(workspace(), NOW, scopes=["read"])
    secret = text.rpartition("_")[2]
    with psycopg.connect(postgres_dsn) as connection:
        everything = str(connection.execute("SELECT api_keys::text FROM api_keys").fetchall())
    assert text[-4:] in everything
    assert not any(secret[start : start + 8] in everything for start in range(len(secret) - 8))


SPOILT: dict[str, Callable[[str], str]] = {
    "shorter": lambda key: key[:-1],
    "longer": lambda key: key + "0",
    "other": lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
    "upper": str.upper,
    "empty": lambda _key: "",
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_key_that_is_not_exactly_right_is_unknown(accounts: Accounts, spoil: Callable[[str], str]) -> None:
    text, _ = accounts.create_key(workspace(), NOW, scopes=["read"])
    assert accounts.admit(spoil(text), NOW) == "unknown"


def test_a_secret_under_the_prefix_of_another_key_is_unknown(accounts: Accounts) -> None:
    acme = workspace()
    first, second = (accounts.create_key(acme, NOW, scopes=["read"])[0] for _ in range(2))
    mixed = f"qh_{prefix_of(first)}_{second.rpartition('_')[2]}"
    assert accounts.admit(mixed, NOW) == "unknown"


def test_a_key_is_good_until_the_instant_at_which_it_expires(accounts: Accounts) -> None:
    text, _ = accounts.create_key(workspace(), NOW, scopes=["read"], expires_at=NOW + timedelta(days=1))
    assert isinstance(accounts.admit(text, NOW + timedelta(days=1) - MILLISECOND), Principal)
    assert accounts.admit(text, NOW + timedelta(days=1)) == "expired"


def test_a_revoked_key_is_refused_at_once_and_its_neighbour_is_not(accounts: Accounts) -> None:
    acme = workspace()
    (first, kept), (second, _) = (accounts.create_key(acme, NOW, scopes=["read"]) for _ in range(2))
    assert accounts.revoke_key(kept.prefix, NOW)
    assert accounts.admit(first, NOW) == "revoked"
    assert isinstance(accounts.admit(second, NOW), Principal)


def test_a_key_revoked_twice_keeps_its_first_date(accounts: Accounts) -> None:
    acme = workspace()
    _, kept = accounts.create_key(acme, NOW, scopes=["read"])
    assert accounts.revoke_key(kept.prefix, NOW)
    assert accounts.revoke_key(kept.prefix, NOW + timedelta(days=1))
    assert [key.revoked_at for key in accounts.list_keys(acme)] == [NOW]


def test_a_prefix_that_nobody_has_cannot_be_revoked(accounts: Accounts) -> None:
    assert not accounts.revoke_key("0" * 12, NOW)


def test_the_list_of_a_workspace_has_its_keys_only_oldest_first(accounts: Accounts) -> None:
    acme, other = workspace(), workspace()
    names = ["one", "two", "three"]
    for minute, name in enumerate(names):
        accounts.create_key(acme, NOW + timedelta(minutes=minute), name=name, scopes=["export"])
    accounts.create_key(other, NOW, scopes=["read"])
    assert [key.name for key in accounts.list_keys(acme)] == names
    assert {key.workspace_id for key in accounts.list_keys()} >= {acme, other}


def test_admin_may_everything_and_read_may_not_export(accounts: Accounts) -> None:
    admin = accounts.admit(accounts.create_key(workspace(), NOW, scopes=["admin"])[0], NOW)
    reader = accounts.admit(accounts.create_key(workspace(), NOW, scopes=["read"])[0], NOW)
    assert isinstance(admin, Principal)
    assert isinstance(reader, Principal)
    assert [admin.may(scope) for scope in KEY_SCOPES] == [True, True, True]
    assert [reader.may(scope) for scope in KEY_SCOPES] == [True, False, False]


def test_a_database_that_is_away_is_said_to_be_away() -> None:
    with Accounts("postgresql://postgres@127.0.0.1:1/none", wait_s=0.2) as accounts, pytest.raises(AccountsUnavailable, match="does not answer"):
        accounts.check()


def test_a_database_without_tables_says_what_to_run(postgres: PostgresSettings) -> None:
    with own_postgres(postgres) as bare, Accounts(bare.dsn.get_secret_value()) as accounts, pytest.raises(AccountsUnavailable, match="quarterhour migrate"):
        accounts.check()

"""People's keys: never more than the person may now; two live keys while rotating; names of apps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.accounts.key_store import KeyRefused
from services.accounts.keys import Principal
from services.accounts.roles import ROLE_SCOPES, Role
from services.accounts.scopes import KEY_SCOPES, KeyScope
from services.accounts.store import Accounts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ANN = "ann@example.com"


@pytest.fixture
def acme() -> str:
    return f"w-{uuid4().hex[:8]}"


def admitted(accounts: Accounts, text: str, now: datetime = NOW) -> Principal:
    found = accounts.admit(text, now)
    assert isinstance(found, Principal), found
    return found


@pytest.mark.parametrize(("role", "scopes"), ROLE_SCOPES.items())
def test_a_person_has_keys_with_the_scopes_of_their_role_and_no_other(accounts: Accounts, acme: str, role: Role, scopes: frozenset[KeyScope]) -> None:
    apps = None if role == "workspace_owner" else ["a"]
    accounts.set_person(acme, ANN, role, apps, NOW)
    made = accounts.create_key(acme, NOW, scopes=sorted(scopes), email=ANN)[0]
    assert admitted(accounts, made).scopes == scopes
    for other in set(KEY_SCOPES) - scopes:
        with pytest.raises(KeyRefused, match=role):
            accounts.create_key(acme, NOW, scopes=[other], email=ANN)


def test_a_persons_key_sees_the_apps_of_the_person_of_now(accounts: Accounts, acme: str) -> None:
    accounts.set_person(acme, ANN, "app_owner", ["a", "b", "c"], NOW)
    of_all, of_two = (accounts.create_key(acme, NOW, scopes=["read"], app_ids=apps, email=ANN)[0] for apps in ([], ["a", "b"]))
    assert [admitted(accounts, key).app_ids for key in (of_all, of_two)] == [("a", "b", "c"), ("a", "b")]
    accounts.set_person(acme, ANN, "app_owner", ["b", "d"], NOW)
    assert [admitted(accounts, key).app_ids for key in (of_all, of_two)] == [("b", "d"), ("b",)]
    with pytest.raises(KeyRefused, match="b, d"):
        accounts.create_key(acme, NOW, scopes=["read"], app_ids=["a"], email=ANN)


def test_a_key_whose_person_may_see_none_of_its_apps_sees_nothing_rather_than_all(accounts: Accounts, acme: str) -> None:
    accounts.set_person(acme, ANN, "app_owner", ["a"], NOW)
    key = accounts.create_key(acme, NOW, scopes=["read"], app_ids=["a"], email=ANN)[0]
    accounts.set_person(acme, ANN, "app_owner", ["b"], NOW)
    assert accounts.admit(key, NOW) == "not_a_member"


def test_who_is_made_a_collaborator_exports_no_more(accounts: Accounts, acme: str) -> None:
    accounts.set_person(acme, ANN, "workspace_owner", None, NOW)
    key = accounts.create_key(acme, NOW, scopes=["admin"], email=ANN)[0]
    assert admitted(accounts, key).may("export")
    accounts.set_person(acme, ANN, "collaborator", ["a"], NOW)
    found = admitted(accounts, key)
    assert (found.scopes, found.app_ids, [found.may(scope) for scope in KEY_SCOPES]) == (frozenset(), ("a",), [False] * 3)


def test_the_keys_of_who_leaves_are_revoked_there_and_nowhere_else(accounts: Accounts, acme: str) -> None:
    other = f"{acme}-other"
    keys = []
    for workspace in (acme, other):
        accounts.set_person(workspace, ANN, "workspace_owner", None, NOW)
        keys.append(accounts.create_key(workspace, NOW, scopes=["read"], email=ANN)[0])
    programs = accounts.create_key(acme, NOW, scopes=["read"])[0]
    assert accounts.remove_person(acme, ANN, NOW)
    assert accounts.admit(keys[0], NOW) == "revoked"
    assert [admitted(accounts, key).workspace_id for key in (keys[1], programs)] == [other, acme]
    assert not accounts.remove_person(acme, ANN, NOW)


def test_a_stranger_gets_no_key(accounts: Accounts, acme: str) -> None:
    with pytest.raises(KeyRefused, match="people set"):
        accounts.create_key(acme, NOW, scopes=["read"], email="stranger@example.com")
    assert accounts.list_keys(acme) == []


def test_while_a_key_is_rotated_both_are_good_and_may_the_same(accounts: Accounts, acme: str) -> None:
    old, kept = accounts.create_key(acme, NOW, name="bi", scopes=["read"], app_ids=["a"], expires_at=NOW + 90 * DAY, limits=(5, None, None))
    new, made = accounts.rotate_key(kept.prefix, NOW + DAY, NOW + 2 * DAY)
    both = [admitted(accounts, text, NOW + 2 * DAY - timedelta(seconds=1)) for text in (old, new)]
    assert [(one.scopes, one.app_ids, one.limits.requests_per_minute) for one in both] == [(frozenset({"read"}), ("a",), 5)] * 2
    assert accounts.admit(old, NOW + 2 * DAY) == "expired"
    assert (made.name, made.expires_at) == ("bi", NOW + 91 * DAY)
    assert admitted(accounts, new, NOW + 91 * DAY - timedelta(seconds=1)).key_prefix == made.prefix


def test_a_key_that_ends_sooner_than_the_overlap_is_not_prolonged(accounts: Accounts, acme: str) -> None:
    old, kept = accounts.create_key(acme, NOW, scopes=["read"], expires_at=NOW + DAY)
    accounts.rotate_key(kept.prefix, NOW, NOW + 7 * DAY)
    assert accounts.admit(old, NOW + DAY) == "expired"


def test_no_line_of_keys_has_three_that_are_good(accounts: Accounts, acme: str) -> None:
    _, first = accounts.create_key(acme, NOW, scopes=["read"])
    _, second = accounts.rotate_key(first.prefix, NOW, NOW + DAY)
    with pytest.raises(KeyRefused, match=second.prefix):
        accounts.rotate_key(first.prefix, NOW, NOW + DAY)
    with pytest.raises(KeyRefused, match=f"keys revoke {first.prefix}"):
        accounts.rotate_key(second.prefix, NOW, NOW + DAY)
    _, third = accounts.rotate_key(second.prefix, NOW + DAY, NOW + 2 * DAY)
    replaced_by = {key.prefix: key.replaced_by for key in accounts.list_keys(acme)}
    assert replaced_by == {first.prefix: second.prefix, second.prefix: third.prefix, third.prefix: None}


def test_a_key_that_is_good_no_longer_is_not_rotated(accounts: Accounts, acme: str) -> None:
    _, kept = accounts.create_key(acme, NOW, scopes=["read"], expires_at=NOW + DAY)
    with pytest.raises(KeyRefused, match="keys create"):
        accounts.rotate_key(kept.prefix, NOW + DAY, NOW + 2 * DAY)


def test_an_app_is_called_what_it_was_called_last_and_in_its_workspace(accounts: Accounts, acme: str) -> None:
    for workspace, app, name in [(acme, "a", "Shop"), (acme, "b", "Bank"), (acme, "a", "Store"), (f"{acme}-2", "a", "Other")]:
        accounts.name_app(workspace, app, name, NOW)
    assert dict(accounts.app_names(acme)) == {"a": "Store", "b": "Bank"}
    assert dict(accounts.app_names(acme, ["b", "c"])) == {"b": "Bank"}

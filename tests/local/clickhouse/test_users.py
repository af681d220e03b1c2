"""The users file: who gets in, and what is written."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from services.local.clickhouse.users import UsersError, add_user, read_users


def test_only_the_right_password_lets_in_and_the_file_holds_no_password(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    add_user(path, "ana", "open sesame")
    users = read_users(path)
    assert users.find("ana", "open sesame") is not None
    assert users.find("ana", "open sesame!") is None
    assert users.find("ana", "") is None
    assert users.find("bob", "open sesame") is None
    assert "sesame" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_user_added_again_has_the_new_password_only(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    add_user(path, "ana", "old", readonly=2)
    add_user(path, "bob", "other")
    add_user(path, "ana", "new")
    users = read_users(path)
    ana = users.find("ana", "new")
    assert ana is not None
    assert ana.readonly == 0
    assert users.find("ana", "old") is None
    assert users.find("bob", "other") is not None


def test_a_damaged_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text('{"users": [{"name": "ana"}]}')
    with pytest.raises(UsersError, match="--add-user"):
        read_users(path)

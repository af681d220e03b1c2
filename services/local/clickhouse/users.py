"""Who may ask: names, salted password hashes and read-only marks, from a JSON file.

Rule: without a file there are `default` and, for reading, `analyst`, both without password, and only for a server that listens on loopback.
`readonly` has ClickHouse's meaning: 0 may write, 1 may read and change no settings, 2 may read and change settings.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

_SCRYPT_N = 2**14


class UsersError(Exception):
    """The users file cannot be used; `str()` says what to do."""


@dataclass(frozen=True, slots=True)
class User:
    name: str
    readonly: int
    salt: str
    hash: str

    def knows(self, password: str) -> bool:
        return hmac.compare_digest(self.hash, _hash(password, self.salt))


@dataclass(slots=True)
class Users:
    """`checked` keeps digests of passwords that were right, for scrypt is made to be slow."""

    by_name: dict[str, User]
    checked: dict[str, bytes] = field(default_factory=dict)

    def known(self, name: str, password: str) -> User | None:
        """Who showed this password before: at once."""
        user = self.by_name.get(name)
        return user if user and hmac.compare_digest(self.checked.get(name, b""), _digest(user, password)) else None

    def find(self, name: str, password: str) -> User | None:
        """Who has this password; may take 50 ms."""
        user = self.by_name.get(name)
        if user is None or not user.knows(password):
            return None
        self.checked[name] = _digest(user, password)
        return user


def _digest(user: User, password: str) -> bytes:
    return hashlib.sha256(f"{user.salt}:{password}".encode()).digest()


def open_users() -> Users:
    """The users of a server on loopback that was given no file."""
    return Users({"default": _user("default", "", 0), "analyst": _user("analyst", "", 2)})


def read_users(path: Path) -> Users:
    """Raises UsersError."""
    try:
        rows = json.loads(path.read_text())["users"]
        return Users({row["name"]: User(row["name"], int(row["readonly"]), row["salt"], row["hash"]) for row in rows})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsersError(f"The users file {path} cannot be read ({error}). Write it anew with `--add-user NAME`.") from error


def add_user(path: Path, name: str, password: str, readonly: int = 0) -> None:
    """Add the user to the file, or change them; the file is readable by its owner only."""
    users = read_users(path).by_name if path.exists() else {}
    users[name] = _user(name, password, readonly)
    rows = [{"name": user.name, "readonly": user.readonly, "salt": user.salt, "hash": user.hash} for user in users.values()]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"users": rows}, file, indent=1)
    draft.replace(path)


def _user(name: str, password: str, readonly: int) -> User:
    salt = secrets.token_hex(16)
    return User(name, readonly, salt, _hash(password, salt))


def _hash(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=_SCRYPT_N, r=8, p=1).hex()

"""What the handlers are given: accounts, the reader of ClickHouse, and the clock. One for each app, made by `create_app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from services.accounts.store import Accounts
from services.query.reader import ClickHouseReaders


@dataclass(frozen=True, slots=True)
class Shell:
    accounts: Accounts
    readers: ClickHouseReaders
    clock_ms: Callable[[], int]


def shell_of(request: Request) -> Shell:
    shell = request.app.state.shell
    assert isinstance(shell, Shell)
    return shell

"""What the handlers are given: accounts, the reader of ClickHouse, and the clock. One for each app, made by `create_app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from fastapi import Request

from services.accounts.store import Accounts
from services.query.days import Rows
from services.query.freshness import Reach
from services.query.kept import Kept
from services.query.reader import ClickHouseReaders


@dataclass(frozen=True, slots=True)
class Shell:
    accounts: Accounts
    readers: ClickHouseReaders
    clock_ms: Callable[[], int]
    reaches: Kept[Reach]
    """By scope, and whether it is the watermark only."""
    days: Kept[Rows]
    """By scope and first and last day, and by the counts that there are."""

    def now(self) -> datetime:
        """The clock as accounts take it."""
        return datetime.fromtimestamp(self.clock_ms() / 1000, UTC)


@dataclass(slots=True)
class Spent:
    """What the questions of one request cost, as it comes to be known; handlers may ask on several threads."""

    read_ms: int = 0
    _lock: Lock = field(default_factory=Lock)

    def add(self, read_ms: int) -> None:
        with self._lock:
            self.read_ms += read_ms


def shell_of(request: Request) -> Shell:
    shell = request.app.state.shell
    assert isinstance(shell, Shell)
    return shell

"""Where rows go. The port; the engine is beside it (`clickhouse_store.py`)."""

from __future__ import annotations

from typing import Protocol

from services.sink.rows import Facts, Table


class StoreAway(Exception):
    """The store did not take the rows, or did not say so: insert them again later. `str()` is the reason."""


class FactStore(Protocol):
    """Rows handed over twice are one row under FINAL, so that every insert may be repeated."""

    def insert(self, table: Table, facts: Facts) -> None:
        """Return when the facts are durable rows. Raises StoreAway, and Unreadable before anything is inserted."""

    def close(self) -> None: ...

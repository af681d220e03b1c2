"""The port between the worker and the meters: a pure fold over one batches partition (DESIGN §2).

The worker knows when state is saved, the fold knows what it says. Neither knows the other's half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from services.events.outgoing import OutFact


class Fold(Protocol):
    """State of one batches partition. Same records and same messages, same facts and same bytes, always."""

    def restore(self, position: bytes | None, pages: Mapping[int, bytes]) -> None:
        """Begin from the newest records of the state topic. Raises when they cannot be used (checksum, a page older than the position lists)."""

    def next_offset(self) -> int | None:
        """The batches offset that the position record expects next; None: there is no position yet."""

    def apply(self, value: bytes, offset: int) -> list[OutFact]:
        """Fold one message in. A page that already reflects `offset` ignores it (E2)."""

    def take_dirty(self) -> list[tuple[int, bytes]]:
        """(page, record) of every page changed since the last call; a record begins with its version, 8 bytes big-endian, then its checksum."""

    def position(self) -> bytes:
        """The position record for everything applied so far; it lists the version of every page."""

    def status(self) -> dict[str, object]:
        """Watermark and the like, for people."""


MakeFold = Callable[[int], Fold]
"""Batches partition → a fold with nothing in it."""

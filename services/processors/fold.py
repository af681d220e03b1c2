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

    def take_dirty(self, bytes_max: int | None = None) -> list[tuple[int, bytes]]:
        """(page, record) of changed pages, those first that wait the longest: all of them, or some, at least enough that every one has its turn soon.

        A record begins with its version, 8 bytes big-endian, then its checksum.
        """

    def durable_to(self) -> int | None:
        """Messages below this offset are in the records taken so far and in `position`; None: there is no position yet."""

    def position(self) -> bytes:
        """The position record at `durable_to`; it lists versions of pages that are written by then."""

    def status(self) -> dict[str, object]:
        """Watermark and the like, for people."""


MakeFold = Callable[[int], Fold]
"""Batches partition → a fold with nothing in it."""

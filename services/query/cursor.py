"""The cursor of a list: where a page ended, and of which question. Pure.

Rule: paging is by position (start, id), not by count, so that rows that arrive between two pages shift nothing. The cursor holds the range in
instants: `1w` asked before midnight and paged after it is still the same week. It is bound to the filters by a digest; it is not secret and grants nothing,
for the workspace always comes from the key.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

_TEXT_MAX: Final = 512


class CursorError(ValueError):
    """Not a cursor of ours, or one of another question."""


@dataclass(frozen=True, slots=True)
class Position:
    """Behind the row with this start and id."""

    start_ms: int
    row_id: str


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """`question` is the digest of the filters; the rest is plain."""

    question: str
    from_ms: int
    to_ms: int
    start_ms: int
    row_id: str

    @property
    def position(self) -> Position:
        return Position(self.start_ms, self.row_id)


def digest(question: object) -> str:
    """What binds a cursor to its question; equal questions have equal digests."""
    return sha256(msgspec.json.encode(question)).hexdigest()[:16]


def write_cursor(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).rstrip(b"=").decode()


def read_cursor(text: str, question: str) -> Cursor:
    """Raises CursorError."""
    if len(text) > _TEXT_MAX:
        raise CursorError("longer than any cursor")
    try:
        cursor = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), type=Cursor)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise CursorError("not a cursor that this service has given") from error
    if cursor.question != question:
        raise CursorError("the cursor belongs to a question with other filters")
    if not cursor.from_ms <= cursor.start_ms < cursor.to_ms:
        raise CursorError("not a cursor that this service has given")
    return cursor

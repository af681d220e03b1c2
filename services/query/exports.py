"""Stream an export and tell what a whole one holds: rows, bytes, SHA-256 (the manifest).

Order of effects: the manifest is written as `running` before the first byte, and as `complete` after the last one and before the transfer is ended; so
whoever has seen the end can compare. A stream that fails breaks off instead of ending, and its manifest says `broken`. Bytes pass through: none is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Final

from services.query.statement import Reader, Statement
from services.query.trends import Json

_ALL_BUT_QUOTES_AND_LINES: Final = bytes(set(range(256)) - set(b'"\n'))


class CsvMeter:
    """Counts the records of a CSV that comes in chunks, and digests it. A line feed inside quotes ends no record."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._quoted = False
        self.records = 0
        self.bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def feed(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.bytes += len(chunk)
        # Only quotes and line feeds matter, and two quotes side by side cancel out: what is left is short, at C's speed.
        signs = (b'"' if self._quoted else b"") + chunk.translate(None, _ALL_BUT_QUOTES_AND_LINES)
        signs = signs.replace(b'""', b"")
        if b'"' not in signs:
            self.records += len(signs)
            self._quoted = False
            return
        parts = signs.split(b'"')
        self.records += sum(len(part) for part in parts[::2])
        self._quoted = len(parts) % 2 == 0


def stream(reader: Reader, statements: Iterable[Statement], meter: CsvMeter, ended: Callable[[str], None]) -> Iterator[bytes]:
    """The bytes of the statements, one after another. `ended("complete")` is called before the end, `ended("broken")` when there is none."""
    state = "broken"
    try:
        for statement in statements:
            for chunk in reader.stream(statement):
                meter.feed(chunk)
                yield chunk
        state = "complete"
    finally:
        ended(state)


def finished(manifest: Json, meter: CsvMeter, state: str) -> Json:
    """The manifest of a stream that is over. The line of titles is no row."""
    return manifest | {"state": state, "rows": max(0, meter.records - 1), "bytes": meter.bytes, "sha256": meter.sha256 if state == "complete" else None}

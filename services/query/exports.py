"""Stream an export and tell what a whole one holds: rows, bytes, SHA-256 (the manifest).

Order of effects: the manifest is written as `running` before the first byte, and as `complete` after the last one and before the transfer is ended; so
whoever has seen the end can compare. A stream that fails breaks off instead of ending, and its manifest says `broken`. Bytes pass through: none is added.
While the answer to one statement is sent, the next one is read already: `AHEAD_CHUNKS` of each wait here at most (32 MiB in all), the rest with ClickHouse.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from queue import Queue
from threading import Semaphore, Thread
from typing import Final

from services.query.statement import Reader, Statement
from services.query.trends import Json

AHEAD_CHUNKS: Final = 64
"""Of a quarter of a MiB: two statements are then at work at one time, which two cores do in two thirds of the time."""
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
        for chunk in _one_ahead(reader, statements):
            meter.feed(chunk)
            yield chunk
        state = "complete"
    finally:
        ended(state)


class _Answer:
    """The answer to one statement, read on a thread of its own until `AHEAD_CHUNKS` wait. Iterate once; `close` ends it wherever it is."""

    def __init__(self, reader: Reader, statement: Statement) -> None:
        self._came: Queue[bytes | BaseException | None] = Queue()
        self._room = Semaphore(AHEAD_CHUNKS)
        self._is_closed = False
        self._thread = Thread(target=self._read, args=(reader, statement), name="export", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._came.get()) is not None:
            self._room.release()
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    def close(self) -> None:
        self._is_closed = True
        self._room.release()
        self._thread.join()

    def _read(self, reader: Reader, statement: Statement) -> None:
        try:
            with closing(reader.stream(statement)) as chunks:
                for chunk in chunks:
                    self._room.acquire()
                    if self._is_closed:
                        return
                    self._came.put(chunk)
            self._came.put(None)
        except BaseException as error:  # raised where the answer is read
            self._came.put(error)


def _one_ahead(reader: Reader, statements: Iterable[Statement]) -> Iterator[bytes]:
    """The answers to the statements, one after another; while one is sent, the next one is read."""
    answers: deque[_Answer] = deque()
    try:
        for statement in statements:
            answers.append(_Answer(reader, statement))
            if len(answers) > 1:
                yield from answers[0]
                answers.popleft().close()
        for answer in answers:
            yield from answer
    finally:
        for answer in answers:
            answer.close()


def finished(manifest: Json, meter: CsvMeter, state: str) -> Json:
    """The manifest of a stream that is over. The line of titles is no row."""
    return manifest | {"state": state, "rows": max(0, meter.records - 1), "bytes": meter.bytes, "sha256": meter.sha256 if state == "complete" else None}

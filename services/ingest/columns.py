"""The rows of one poll as columns, one set for each batches partition: in Python, and compiled where that was built. Both give the same rows.

Bounded by one poll.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Raw

from services.events.batches import OFFSETS, PAGES, TIMES, Rows, pack, pack_texts
from services.events.decode import decode
from services.events.event import Accepted, Event, Refusal, TalkEvent
from services.events.keys import NOBODY
from services.events.pages import page_of, partition_of
from services.native import load, required

RawValue = tuple[int, int, bytes | None]
"""(offset, log time, value) of a record."""

Judge = Callable[[int, int, bytes | None, Accepted | Refusal, int], Accepted | None]
"""(offset, log time, value, what the value is, rows of this run so far) → the event that becomes a row; None: no row comes of it."""

Runs = list[tuple[int, int]]
"""`batches.Rows.runs`."""

_Row = tuple[int, int, int, int, str, str, str]
"""(offset, page, kind, time, key, who, message id): a row of `batches.Rows`."""


class Columns(Protocol):
    """What the batcher asks of both twins."""

    def add_run(self, records: Sequence[RawValue], judge: Judge) -> tuple[int, int | None]:
        """Records of one raw partition: how many became rows, and the greatest event time of them. `judge` sees what is no event of a talk."""

    def counts(self) -> list[int]:
        """Rows so far, of each batches partition."""

    def take(self, runs: Sequence[Runs]) -> list[Rows]:
        """The rows of each batches partition, with its runs; the next poll begins empty."""


def fastest_columns(partitions: int, pages: int, lateness_ms: int) -> Columns:
    """The compiled twin where it was built."""
    return PythonColumns(partitions, pages, lateness_ms) if load() is None else NativeColumns(partitions, pages, lateness_ms)


def page_and_key(event: Accepted, pages: int) -> tuple[int, str]:
    """Whose page an event belongs to; the key is that of a conversation or call, else empty."""
    key = event.key if isinstance(event, TalkEvent) else ""
    return page_of(key or event.workspace_id, pages), key


class PythonColumns:
    """`Columns`, row by row."""

    def __init__(self, partitions: int, pages: int, lateness_ms: int) -> None:
        self._pages, self._lateness_ms = pages, lateness_ms
        self._rows: list[list[_Row]] = [[] for _ in range(partitions)]
        self._events: list[list[Event]] = [[] for _ in range(partitions)]

    def add_run(self, records: Sequence[RawValue], judge: Judge) -> tuple[int, int | None]:
        """See `Columns`."""
        lateness_ms, partitions, pages = self._lateness_ms, self._rows, self._pages
        newest_ms: int | None = None
        accepted = 0
        for offset, log_ms, value in records:
            event = decode(value, log_ms, lateness_ms)
            if isinstance(event, TalkEvent):
                key = event.key
                page = page_of(key, pages)
                partitions[partition_of(page, len(partitions))].append((offset, page, event.kind, event.time_ms, key, event.who, event.message_id))
            else:
                found = judge(offset, log_ms, value, event, accepted)
                if found is None:
                    continue
                event = found
                self._place(offset, event)
            accepted += 1
            if newest_ms is None or event.time_ms > newest_ms:
                newest_ms = event.time_ms
        return accepted, newest_ms

    def counts(self) -> list[int]:
        """See `Columns`."""
        return [len(rows) for rows in self._rows]

    def take(self, runs: Sequence[Runs]) -> list[Rows]:
        """See `Columns`."""
        taken = [_columns(*mine) for mine in zip(runs, self._rows, self._events, strict=True)]
        self._rows = [[] for _ in self._rows]
        self._events = [[] for _ in self._events]
        return taken

    def _place(self, offset: int, event: Accepted) -> None:
        assert isinstance(event, Event)
        page, _ = page_and_key(event, self._pages)
        partition = partition_of(page, len(self._rows))
        self._rows[partition].append((offset, page, event.kind, event.time_ms, "", NOBODY, ""))
        self._events[partition].append(event)


def _columns(runs: Runs, rows: Iterable[_Row], events: list[Event]) -> Rows:
    offsets, pages, kinds, times_ms, keys, whos, message_ids = zip(*rows, strict=True) if rows else ((),) * 7
    return Rows(
        runs, pack(array(OFFSETS, offsets)), pack(array(PAGES, pages)), bytes(kinds), pack(array(TIMES, times_ms)),
        pack_texts(keys), pack_texts(whos), pack_texts(message_ids), events,
    )  # fmt: skip


class NativeColumns:
    """`Columns`, compiled: it decodes what is plain, and asks Python about all else. Raises ImportError where it was not built."""

    def __init__(self, partitions: int, pages: int, lateness_ms: int) -> None:
        self._pages, self._lateness_ms = pages, lateness_ms
        self._poll = required().Poll(partitions, pages, lateness_ms)

    def add_run(self, records: Sequence[RawValue], judge: Judge) -> tuple[int, int | None]:
        """See `Columns`."""

        def ask(offset: int, log_ms: int, value: bytes | None, accepted: int) -> tuple[int, int, int, str, str, str, Event | None] | None:
            outcome = decode(value, log_ms, self._lateness_ms)
            event = outcome if isinstance(outcome, TalkEvent) else judge(offset, log_ms, value, outcome, accepted)
            if event is None:
                return None
            page, key = page_and_key(event, self._pages)
            if isinstance(event, TalkEvent):
                return page, event.kind, event.time_ms, key, event.who, event.message_id, None
            return page, event.kind, event.time_ms, key, NOBODY, "", event

        found: tuple[int, int | None] = self._poll.add_run(records, ask)
        return found

    def counts(self) -> list[int]:
        """See `Columns`."""
        found: list[int] = self._poll.counts()
        return found

    def take(self, runs: Sequence[Runs]) -> list[Rows]:
        """See `Columns`."""
        found = []
        for mine, ((offsets, pages, kinds, times_ms), texts, events) in zip(runs, self._poll.take(), strict=True):
            keys, whos, message_ids = map(Raw, texts)
            found.append(Rows(mine, offsets, pages, kinds, times_ms, keys, whos, message_ids, events))
        return found

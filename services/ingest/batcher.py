"""Turn raw records into batches messages, refusals and the ingest half of the ledger (DESIGN §2, SPEC §3, T4). Pure: no I/O, no clock.

A poll's records go in one by one; `take` gives one message for every batches partition. Each says for every raw partition the range it covers, so that
nothing depends on how polls were cut: a successor that reads the same offsets with other cuts gives messages that change nothing.
Bounded by one poll.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.events.batches import BATCHES_VERSION, Batch, PageEvents, Range
from services.events.decode import decode
from services.events.event import Event, Kind, Refusal
from services.events.outgoing import OutFact
from services.events.pages import page_of, partition_of
from services.events.payload import rejected_fact
from services.events.topics import RAW_TOPICS, REJECTED

RawPartition = tuple[int, int]
"""(index in RAW_TOPICS, partition)."""

class RawRecord(NamedTuple):
    """One record of a raw topic."""

    topic: int
    partition: int
    offset: int
    log_ms: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How work is spread: partitions of each raw topic, pages, batches partitions."""

    raw: tuple[int, ...]
    pages: int
    partitions: int


@dataclass(slots=True)
class Totals:
    """What became of the records of one raw partition since its first one: the ledger's counts."""

    first: int = 0
    read: int = 0
    accepted: int = 0
    control: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Reading:
    """One raw partition in this poll."""

    start: int
    stop: int
    begins: bool
    newest_ms: int | None = None
    log_ms: int | None = None
    closed_ms: int | None = None


class Batcher:
    """Groups the records of a poll by batches partition and page."""

    def __init__(self, layout: Layout, lateness_ms: int, generation: int, names: Sequence[str] = RAW_TOPICS) -> None:
        self._layout, self._lateness_ms, self._generation, self._names = layout, lateness_ms, generation, names
        self._readings: dict[RawPartition, _Reading] = {}
        self._pages: list[dict[int, PageEvents]] = [{} for _ in range(layout.partitions)]
        self._rejected: list[OutFact] = []
        self.totals: dict[RawPartition, Totals] = {}

    def begin(self, raw: RawPartition, offset: int, *, begins: bool, totals: Totals) -> None:
        """Take over a raw partition at an offset; `begins`: the log itself begins there, or nobody ever committed."""
        self._readings[raw] = _Reading(offset, offset, begins)
        self.totals[raw] = totals

    def drop(self, raw: RawPartition) -> None:
        """Another process has the raw partition now. Call it between polls only: what was added is in no message yet."""
        del self._readings[raw], self.totals[raw]

    def positions(self) -> Mapping[RawPartition, int]:
        """Next offset to read, of every raw partition held."""
        return {raw: reading.stop for raw, reading in self._readings.items()}

    def add(self, record: RawRecord) -> None:
        """One record: an accepted event goes to its page, a refused one to the rejected facts with its origin."""
        raw = (record.topic, record.partition)
        reading, totals = self._readings[raw], self.totals[raw]
        reading.stop = record.offset + 1
        reading.log_ms = record.log_ms
        event = decode(record.value, record.log_ms, self._lateness_ms)
        if isinstance(event, Refusal):
            totals.read += 1
            totals.rejected[event.reason] = totals.rejected.get(event.reason, 0) + 1
            self._refuse(record, event)
        elif event.kind is Kind.LOG_CLOSED:
            totals.control += 1
            reading.closed_ms = max(event.time_ms, reading.closed_ms or event.time_ms)
        else:
            totals.read += 1
            totals.accepted += 1
            if reading.newest_ms is None or event.time_ms > reading.newest_ms:
                reading.newest_ms = event.time_ms
            self._place(record, event)

    def take(self, tick_ms: int, wall_ms: int, idle: frozenset[RawPartition] = frozenset()) -> tuple[list[Batch], list[OutFact]]:
        """(one message for every batches partition, refused events) of what was added; the next poll begins where this one stopped."""
        held = sorted(self._readings.items())
        index = {raw: number for number, (raw, _) in enumerate(held)}
        ranges = [
            Range(raw[0], raw[1], r.start, r.stop, r.begins, r.newest_ms, r.log_ms, r.closed_ms, raw in idle) for raw, r in held
        ]  # fmt: skip
        batches = []
        for pages in self._pages:
            for mine in pages.values():
                mine.ranges = [index[self._raw_of(code)] for code in mine.ranges]
            batches.append(Batch(BATCHES_VERSION, tick_ms, wall_ms, list(self._layout.raw), ranges, list(pages.values())))
        rejected = self._rejected
        self._pages = [{} for _ in range(self._layout.partitions)]
        self._rejected = []
        for raw, reading in held:
            self._readings[raw] = _Reading(reading.stop, reading.stop, begins=reading.begins and reading.stop == reading.start)
        return batches, rejected

    def _place(self, record: RawRecord, event: Event) -> None:
        page = page_of(event, self._layout.pages)
        pages = self._pages[partition_of(page, self._layout.partitions)]
        mine = pages.get(page)
        if mine is None:
            mine = pages[page] = PageEvents(page, [], [], [])
        mine.ranges.append(record.topic << 32 | record.partition)
        mine.offsets.append(record.offset)
        mine.events.append(event)

    def _refuse(self, record: RawRecord, refusal: Refusal) -> None:
        key, value = rejected_fact(
            self._names[record.topic], record.partition, record.offset, record.log_ms, refusal, record.value, self._generation
        )
        self._rejected.append(OutFact(REJECTED, key, refusal.workspace_id, value))

    @staticmethod
    def _raw_of(code: int) -> RawPartition:
        return code >> 32, code & 0xFFFFFFFF

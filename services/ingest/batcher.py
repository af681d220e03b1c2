"""Turn raw records into batches messages, refusals and the ingest half of the ledger (DESIGN §2, SPEC §3, T4). Pure: no I/O, no clock.

A poll's records go in one by one; `take` gives one message for every batches partition. Each says for every raw partition the range it covers, so that
nothing depends on how polls were cut: a successor that reads the same offsets with other cuts gives messages that change nothing.
Bounded by one poll.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.events.batches import BATCHES_VERSION, OFFSETS, PAGES, TIMES, Batch, Range, Rows, pack
from services.events.decode import decode
from services.events.event import Event, Kind, Refusal, TalkEvent
from services.events.keys import NOBODY
from services.events.outgoing import OutFact
from services.events.pages import page_of, partition_of
from services.events.payload import rejected_fact
from services.events.topics import RAW_TOPICS, REJECTED
from services.ingest.limits import NO_LIMITS, RefusalLimits, Refused, stopped

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
    refused: Refused = field(default_factory=Refused, compare=False)


@dataclass(slots=True)
class _Reading:
    """One raw partition in this poll."""

    start: int
    stop: int
    begins: bool
    log_id: str
    newest_ms: int | None = None
    log_ms: int | None = None
    closed_ms: int | None = None


_Row = tuple[int, int, int, int, str, str, str]
"""(offset, page, kind, time, key, who, message id): a row of `batches.Rows`."""


class _Rows:
    """The rows of one batches partition in this poll."""

    __slots__ = ("events", "rows", "runs")

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self.events: list[Event] = []
        self.runs: list[tuple[RawPartition, int]] = []
        """(raw partition, rows so far when its run ended)."""

    def end_run(self, raw: RawPartition) -> None:
        """All rows since the last call are of this raw partition."""
        before = self.runs[-1][1] if self.runs else 0
        if len(self.rows) > before:
            self.runs.append((raw, len(self.rows)))

    def columns(self, index: Mapping[RawPartition, int]) -> Rows:
        """As a message holds them."""
        ends = [end for _, end in self.runs]
        runs = [(index[raw], end - before) for (raw, end), before in zip(self.runs, [0, *ends], strict=False)]
        offsets, pages, kinds, times_ms, keys, whos, message_ids = zip(*self.rows, strict=True) if self.rows else ((),) * 7
        return Rows(
            runs, pack(array(OFFSETS, offsets)), pack(array(PAGES, pages)), bytes(kinds), pack(array(TIMES, times_ms)),
            list(keys), list(whos), list(message_ids), self.events,
        )  # fmt: skip


class Batcher:
    """Groups the records of a poll by batches partition."""

    def __init__(
        self, layout: Layout, lateness_ms: int, generation: int, names: Sequence[str] = RAW_TOPICS, limits: RefusalLimits = NO_LIMITS
    ) -> None:
        self._layout, self._lateness_ms, self._generation, self._names, self._limits = layout, lateness_ms, generation, names, limits
        self._readings: dict[RawPartition, _Reading] = {}
        self._rows = [_Rows() for _ in range(layout.partitions)]
        self._rejected: list[OutFact] = []
        self.totals: dict[RawPartition, Totals] = {}

    def begin(self, raw: RawPartition, offset: int, *, begins: bool, totals: Totals, log_id: str = "") -> None:
        """Take over a raw partition at an offset; `begins`: the log itself begins there, or nobody ever committed."""
        self._readings[raw] = _Reading(offset, offset, begins, log_id)
        self.totals[raw] = totals

    def drop(self, raw: RawPartition) -> None:
        """Another process has the raw partition now. Call it between polls only: what was added is in no message yet."""
        del self._readings[raw], self.totals[raw]

    def positions(self) -> Mapping[RawPartition, int]:
        """Next offset to read, of every raw partition held."""
        return {raw: reading.stop for raw, reading in self._readings.items()}

    def add(self, record: RawRecord) -> None:
        """One record; see `add_run`."""
        self.add_run((record.topic, record.partition), [(record.offset, record.log_ms, record.value)])

    def add_run(self, raw: RawPartition, records: Iterable[tuple[int, int, bytes | None]]) -> None:
        """(offset, log time, value) of records of one raw partition: an accepted event becomes a row of its page's partition, a refused one a rejected fact.

        Raises `TooManyRefused`; nothing of what was added since the last `take` is whole then.
        """
        reading, totals = self._readings[raw], self.totals[raw]
        newest_ms = -1 << 62 if reading.newest_ms is None else reading.newest_ms
        lateness_ms, partitions, pages = self._lateness_ms, self._rows, self._layout.pages
        accepted = 0
        offset, log_ms = reading.stop - 1, reading.log_ms
        for offset, log_ms, value in records:
            event = decode(value, log_ms, lateness_ms)
            if isinstance(event, TalkEvent):
                time_ms, key = event.time_ms, event.key
                page = page_of(key, pages)
                partitions[partition_of(page, len(partitions))].rows.append((offset, page, event.kind, time_ms, key, event.who, event.message_id))
            elif isinstance(event, Refusal):
                self._refuse(RawRecord(*raw, offset, log_ms, value), event, totals, accepted)
                continue
            elif event.kind is Kind.LOG_CLOSED:
                totals.control += 1
                reading.closed_ms = max(event.time_ms, reading.closed_ms or event.time_ms)
                continue
            else:
                time_ms = event.time_ms
                self._place(offset, event)
            accepted += 1
            newest_ms = max(newest_ms, time_ms)
        reading.stop, reading.log_ms = offset + 1, log_ms
        totals.read += accepted
        totals.accepted += accepted
        if accepted:
            reading.newest_ms = newest_ms
        for mine in partitions:
            mine.end_run(raw)

    def take(self, tick_ms: int, wall_ms: int, idle: frozenset[RawPartition] = frozenset()) -> tuple[list[Batch], list[OutFact]]:
        """(one message for every batches partition, refused events) of what was added; the next poll begins where this one stopped."""
        held = sorted(self._readings.items())
        index = {raw: number for number, (raw, _) in enumerate(held)}
        ranges = [
            Range(raw[0], raw[1], r.start, r.stop, r.begins, r.newest_ms, r.log_ms, r.closed_ms, raw in idle, r.log_id) for raw, r in held
        ]  # fmt: skip
        batches = [Batch(BATCHES_VERSION, tick_ms, wall_ms, list(self._layout.raw), ranges, mine.columns(index)) for mine in self._rows]
        rejected = self._rejected
        self._rows = [_Rows() for _ in range(self._layout.partitions)]
        self._rejected = []
        for raw, reading in held:
            self._readings[raw] = _Reading(reading.stop, reading.stop, reading.begins and reading.stop == reading.start, reading.log_id)
        return batches, rejected

    def _place(self, offset: int, event: Event) -> None:
        page = page_of(event.workspace_id, self._layout.pages)
        mine = self._rows[partition_of(page, len(self._rows))]
        mine.rows.append((offset, page, event.kind, event.time_ms, "", NOBODY, ""))
        mine.events.append(event)

    def _refuse(self, record: RawRecord, refusal: Refusal, totals: Totals, accepted: int) -> None:
        """`accepted`: events since the totals were brought up to date."""
        limit = self._limits.count(totals.refused, totals.accepted + accepted, totals.read + accepted)
        if limit is not None:
            raise stopped(f"{self._names[record.topic]}/{record.partition}/{record.offset}", limit, refusal.reason, refusal.detail)
        totals.read += 1
        totals.rejected[refusal.reason] = totals.rejected.get(refusal.reason, 0) + 1
        key, value = rejected_fact(
            self._names[record.topic], record.partition, record.offset, record.log_ms, refusal, record.value, self._generation
        )
        self._rejected.append(OutFact(REJECTED, key, refusal.workspace_id, value))

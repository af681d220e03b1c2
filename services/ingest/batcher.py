"""Turn raw records into batches messages, refusals and the ingest half of the ledger (DESIGN §2, SPEC §3, T4). Pure: no I/O, no clock.

A poll's records go in one by one; `take` gives one message for every batches partition. Each says for every raw partition the range it covers, so that
nothing depends on how polls were cut: a successor that reads the same offsets with other cuts gives messages that change nothing.
Bounded by one poll.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.events.batches import BATCHES_VERSION, Batch, Range
from services.events.event import Accepted, Kind, Refusal
from services.events.outgoing import OutFact
from services.events.payload import rejected_fact
from services.events.topics import RAW_TOPICS, REJECTED
from services.ingest.columns import RawValue, fastest_columns
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


class Batcher:
    """Groups the records of a poll by batches partition."""

    def __init__(self, layout: Layout, lateness_ms: int, generation: int, names: Sequence[str] = RAW_TOPICS, limits: RefusalLimits = NO_LIMITS) -> None:
        self._layout, self._lateness_ms, self._generation, self._names, self._limits = layout, lateness_ms, generation, names, limits
        self._readings: dict[RawPartition, _Reading] = {}
        self._rows = fastest_columns(layout.partitions, layout.pages, lateness_ms)
        self._runs: list[tuple[RawPartition, list[int]]] = []
        """(raw partition, rows of each batches partition when its run ended)."""
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

    def add_run(self, raw: RawPartition, records: Sequence[RawValue]) -> None:
        """(offset, log time, value) of records of one raw partition: an accepted event becomes a row of its page's partition, a refused one a rejected fact.

        Raises `TooManyRefused`; nothing of what was added since the last `take` is whole then.
        """
        reading, totals = self._readings[raw], self.totals[raw]

        def judge(offset: int, log_ms: int, value: bytes | None, outcome: Accepted | Refusal, accepted: int) -> Accepted | None:
            if isinstance(outcome, Refusal):
                self._refuse(RawRecord(*raw, offset, log_ms, value), outcome, totals, accepted)
                return None
            if outcome.kind is Kind.LOG_CLOSED:
                totals.control += 1
                reading.closed_ms = max(outcome.time_ms, reading.closed_ms or outcome.time_ms)
                return None
            return outcome

        accepted, newest_ms = self._rows.add_run(records, judge)
        if records:
            offset, reading.log_ms, _ = records[-1]
            reading.stop = offset + 1
        totals.read += accepted
        totals.accepted += accepted
        if newest_ms is not None:
            reading.newest_ms = newest_ms if reading.newest_ms is None else max(newest_ms, reading.newest_ms)
        self._runs.append((raw, self._rows.counts()))

    def take(self, tick_ms: int, wall_ms: int, idle: frozenset[RawPartition] = frozenset()) -> tuple[list[Batch], list[OutFact]]:
        """(one message for every batches partition, refused events) of what was added; the next poll begins where this one stopped."""
        held = sorted(self._readings.items())
        index = {raw: number for number, (raw, _) in enumerate(held)}
        ranges = [
            Range(raw[0], raw[1], r.start, r.stop, r.begins, r.newest_ms, r.log_ms, r.closed_ms, raw in idle, r.log_id) for raw, r in held
        ]  # fmt: skip
        rows = self._rows.take([self._runs_of(partition, index) for partition in range(self._layout.partitions)])
        batches = [Batch(BATCHES_VERSION, tick_ms, wall_ms, list(self._layout.raw), ranges, mine) for mine in rows]
        rejected = self._rejected
        self._runs, self._rejected = [], []
        for raw, reading in held:
            self._readings[raw] = _Reading(reading.stop, reading.stop, reading.begins and reading.stop == reading.start, reading.log_id)
        return batches, rejected

    def _runs_of(self, partition: int, index: Mapping[RawPartition, int]) -> list[tuple[int, int]]:
        """`batches.Rows.runs` of a batches partition."""
        found = []
        before = 0
        for raw, counts in self._runs:
            if counts[partition] > before:
                found.append((index[raw], counts[partition] - before))
            before = counts[partition]
        return found

    def _refuse(self, record: RawRecord, refusal: Refusal, totals: Totals, accepted: int) -> None:
        """`accepted`: events since the totals were brought up to date."""
        limit = self._limits.count(totals.refused, totals.accepted + accepted, totals.read + accepted)
        if limit is not None:
            raise stopped(f"{self._names[record.topic]}/{record.partition}/{record.offset}", limit, refusal.reason, refusal.detail)
        totals.read += 1
        totals.rejected[refusal.reason] = totals.rejected.get(refusal.reason, 0) + 1
        key, value = rejected_fact(self._names[record.topic], record.partition, record.offset, record.log_ms, refusal, record.value, self._generation)
        self._rejected.append(OutFact(REJECTED, key, refusal.workspace_id, value))

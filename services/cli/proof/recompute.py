"""Meter the raw log again, through the same core, up to the cut of each batches partition (SPEC T6).

Rule: nothing of the pipeline's messages, state or revisions is used: only records, the rules, and where and at which watermark the cut lies.
Nothing is ever let go of for its age (T4), so that a state dropped too early shows.
Limit: the state of every conversation in question is in memory, a share of them in each pass; the facts' values are in a file that goes with the process.
"""

from __future__ import annotations

from tempfile import TemporaryFile
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from services.cli.proof.cut import Cut
from services.cli.proof.facts import Scope, content, id_of, start_field
from services.cli.proof.findings import Body
from services.cli.proof.record import Record
from services.events.event import FIRST_AGENT, Accepted, Event, Kind, Refusal, TalkEvent
from services.events.ids import fact_id
from services.events.outgoing import OutFact
from services.events.pages import page_of, partition_of
from services.events.payload import rejected_fact
from services.events.topics import LEDGER, REJECTED
from services.ingest.batcher import Batcher, Layout, Totals
from services.meters.fold import PartitionFold
from services.meters.rules import HOUR_MS, Rules
from services.runtime.settings import Settings
from services.sink.rows import read_row

CHUNK_EVENTS: Final = 5_000
_ONLY: Final = (0, 0)
REACH_MS: Final = 25 * HOUR_MS
"""No session starts further than this from every event of its conversation: 24 h of a call (V1), or an hour of silence (U3)."""


class Computed(NamedTuple):
    """A fact that the raw log gives: `hash` of its content, whether it starts inside of what was asked for, and where its value is kept."""

    hash: int
    inside: bool
    place: int
    size: int


class Recompute:
    """One batcher and one fold for each batches partition. A context manager."""

    def __init__(self, settings: Settings, cut: Cut, scope: Scope) -> None:
        self._cut, self._scope = cut, scope
        self._partitions, self._generation = settings.kafka.batches_partitions, settings.processors.generation
        self._stops = cut.stops()
        self._pages = settings.processors.pages
        self._parts = {partition: _Part(settings, partition, cut.watermark_ms(partition)) for partition in cut.processors if scope.takes(partition)}
        self._range = scope.texts()
        self._values = TemporaryFile(prefix="quarterhour-")  # noqa: SIM115 - closed in __exit__
        self.facts: dict[str, dict[str, Computed]] = {}
        """Topic → id → the fact, when `finish` is done."""
        self.later_alerts: set[str] = set()
        """Ids of alerts behind the cut: they may have been published already (A2)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._values.close()

    def event(self, record: Record, event: Accepted, page: int) -> None:
        """An accepted event, for the fold that it belongs to, when it lies before the fold's cut."""
        partition = partition_of(page, self._partitions)
        if not self._scope.takes(partition):
            return
        if record.offset >= self._stops.get((record.topic, record.partition), {}).get(partition, 0):
            if isinstance(event, Event) and event.kind is Kind.ALERT_DELIVERED:
                self.later_alerts.add(fact_id("alert", event.source, event.id))
            return
        part = self._parts[partition]
        part.records.append((part.read + len(part.records), record.log_ms, record.value))
        if len(part.records) >= CHUNK_EVENTS:
            self._keep_all(part.apply())

    def refusal(self, record: Record, refusal: Refusal) -> None:
        """A refused record: a fact of ingest, when it lies before ingest's cut."""
        mine = self._scope.wants(refusal.workspace_id) and self._scope.takes(partition_of(page_of(refusal.workspace_id, self._pages), self._partitions))
        if mine and record.offset < self._stops.get((record.topic, record.partition), {}).get(-1, 0):
            fact = rejected_fact(record.topic, record.partition, record.offset, record.log_ms, refusal, record.value, self._generation)
            self._keep(OutFact(REJECTED, fact[0], refusal.workspace_id, fact[1]))

    def finish(self) -> None:
        """Nothing more comes: let every watermark reach its cut."""
        for part in self._parts.values():
            self._keep_all(part.apply())
            self._keep_all(part.close())

    def value(self, computed: Computed) -> Body:
        """The fact itself."""
        self._values.seek(computed.place)
        found: Body = msgspec.json.decode(self._values.read(computed.size))
        return found

    def _keep_all(self, facts: list[OutFact]) -> None:
        for fact in facts:
            if fact.topic != LEDGER:
                self._keep(fact)

    def _keep(self, fact: OutFact) -> None:
        row = read_row(fact.topic, fact.value)
        mine = self.facts.setdefault(fact.topic, {})
        if row.status == "void":  # type: ignore[attr-defined]  # rows are made from the list of columns
            mine.pop(id_of(row), None)
            return
        start = getattr(row, start_field(fact.topic))
        place = self._values.seek(0, 2)
        self._values.write(fact.value)
        mine[id_of(row)] = Computed(content(row), self._range[0] <= start < self._range[1], place, len(fact.value))


class _Part:
    """The records of one batches partition as one raw partition, which no record left out can hold back; its fold."""

    def __init__(self, settings: Settings, partition: int, to_ms: int) -> None:
        pages, partitions, generation = settings.processors.pages, settings.kafka.batches_partitions, settings.processors.generation
        rules = Rules(lateness_ms=settings.rules.lateness_ms, out_of_orderness_ms=settings.rules.out_of_orderness_ms)
        self.records: list[tuple[int, int, bytes | None]] = []
        self.read = self._chunk = 0
        self._partition, self._to_ms = partition, to_ms
        self._batcher = Batcher(Layout((1,), pages, partitions), rules.lateness_ms, generation)
        self._batcher.begin(_ONLY, 0, begins=True, totals=Totals())
        self._fold = PartitionFold(rules, partition, pages, partitions, generation, cap_ms=to_ms)

    def apply(self) -> list[OutFact]:
        """Meter what was gathered."""
        self._batcher.add_run(_ONLY, self.records)
        self.read += len(self.records)
        self.records = []
        return self._take(None)

    def close(self) -> list[OutFact]:
        """Nothing more comes before the cut's watermark."""
        return self._take(self._to_ms)

    def _take(self, closed_ms: int | None) -> list[OutFact]:
        batch = self._batcher.take(0, 0)[0][self._partition]
        batch.ranges[0].closed_ms = closed_ms
        # Without a log time nothing is let go of (T4).
        batch.ranges[0].log_ms = None
        self._chunk += 1
        return self._fold.apply_batch(batch, self._chunk)


def conversation_of(event: Accepted) -> int | None:
    """A hash of what the event's sessions depend on: its conversation or call, or the alert; none for agents, whose peaks depend on all others."""
    if isinstance(event, TalkEvent):
        return hash(event.key)
    return None if event.kind >= FIRST_AGENT else hash((event.source, event.id))


def is_near(event: Accepted, scope: Scope) -> bool:
    """Whether sessions of the event's conversation may start inside the range, as far as this event shows."""
    return (scope.from_ms is None or event.time_ms >= scope.from_ms - REACH_MS) and (scope.to_ms is None or event.time_ms < scope.to_ms + REACH_MS)

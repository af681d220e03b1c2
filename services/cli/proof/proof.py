"""The whole proof, step by step. Each side is read after the one that follows from it could be complete, so that a live system passes too.

1 A cut: the newest lines of the ledger that hold what ingest had committed, with all their facts published. 2 The sink has what the topics hold then.
3 The raw log: counted, searched for duplicates, metered again up to the cut. 4 The lines against the counts. 5 Each topic's cut against what was metered again;
its newest revisions against ClickHouse, again and again while the system moves on. 6 Seat peaks against ClickHouse's own count.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from services.cli.offsets import Offsets, Where
from services.cli.progress import Display, Pace
from services.cli.proof.catch_up import CatchUp
from services.cli.proof.compare import compare_recomputed, compare_stored, unlike_stored
from services.cli.proof.cut import Cut
from services.cli.proof.facts import COMPARED, Scope, content, page_of_event
from services.cli.proof.findings import Finding, Findings, Kind
from services.cli.proof.held import Held, value_at
from services.cli.proof.reading import every, merged
from services.cli.proof.recompute import Recompute, conversation_of, is_near
from services.cli.proof.record import Record
from services.cli.proof.recount import Recount, check_lines
from services.cli.proof.repeated import Origin, Repeated
from services.cli.proof.seats import Counted, Peak, Seats, finding
from services.cli.proof.stored import Stored
from services.events import topics
from services.events.decode import decode
from services.events.event import Accepted, Refusal
from services.events.event import Kind as EventKind
from services.events.pages import partition_of
from services.runtime.clickhouse import connect
from services.runtime.settings import Settings
from services.sink.rows import TABLES

LOOKS_MAX: Final = 5
"""Looks at facts that were not the same in ClickHouse, each after the sink has caught up: a live system moves on between any two reads."""
_SHOW_EVERY: Final = 2_000


@dataclass(slots=True)
class Summary:
    """Figures for people and machines."""

    records: int = 0
    accepted: int = 0
    refused: int = 0
    control: int = 0
    duplicates: int = 0
    lines: int = 0
    behind_lines: int = 0
    """Records younger than ingest's lines."""
    facts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Topic → how many were metered again, held by the topic, stored in ClickHouse."""
    seat_quarters: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Proof:
    """One run."""

    def __init__(self, settings: Settings, scope: Scope, patience_s: float, findings: Findings, display: Display) -> None:
        self._settings, self._scope, self._findings, self._display = settings, scope, findings, display
        self._began = time.monotonic()
        self._offsets = Offsets(settings.kafka)
        self._catch_up = CatchUp(settings, self._offsets, self._began + patience_s, findings, display)
        self._client = connect(settings.clickhouse)
        self.summary = Summary()

    def run(self) -> Summary:
        """All steps. Raises `Unavailable`."""
        cut = self._catch_up.cut()
        ends = self._offsets.held(topics.FACT_TOPICS)
        self._catch_up.sink()
        raw = self._offsets.held(topics.RAW_TOPICS)
        near: set[int] = set()
        for scope in self._scope.turns():
            with Recompute(self._settings, cut, scope) as recompute:
                if scope.turn == 0:
                    near = self._read_raw(raw, cut, recompute)
                if scope.turn > 0 or scope.bounded:
                    self._meter(raw, near, recompute)
                recompute.finish()
                for topic in COMPARED:
                    self._compare(Held(topic, self._settings, cut, scope, self._findings), ends, recompute, cut)
        self._compare_lines(cut)
        self._compare_seats(cut)
        self.summary.seconds = round(time.monotonic() - self._began, 3)
        return self.summary

    def _read_raw(self, raw: Mapping[Where, range], cut: Cut, recompute: Recompute) -> set[int]:
        """The first reading, which counts; the conversations that come near the range, if there is one."""
        recount = Recount(cut, raw)
        with Repeated() as repeated:
            near = self._survey(raw, recount, repeated, None if self._scope.bounded else recompute)
            for first, other in repeated.conflicts():
                self._findings.add(Kind.TWO_EVENTS, lambda a=first, b=other: self._two_events(a, b))  # type: ignore[misc]
            self.summary.duplicates = repeated.duplicates
        for name in ("records", "accepted", "refused", "control"):
            setattr(self.summary, name, recount.total(name))
        self.summary.lines = check_lines(cut, recount, raw, self._settings.kafka.batches_partitions, self._findings)
        self.summary.behind_lines = sum(max(0, held.stop - cut.ingest[where].to_offset) for where, held in raw.items() if where in cut.ingest)
        return near

    def _survey(self, raw: Mapping[Where, range], recount: Recount, repeated: Repeated, recompute: Recompute | None) -> set[int]:
        """Count every record; meter it at once, or note the conversations that must be."""
        near: set[int] = set()
        for record, found in self._decoded(raw, "counting" if recompute is None else "metering"):
            where = (record.topic, record.partition)
            counts = recount.partitions[where]
            counts.records += 1
            if isinstance(found, Refusal):
                counts.refusal(record.offset, found.reason)
                if recompute is not None:
                    recompute.refusal(record, found)
            elif found.kind == EventKind.LOG_CLOSED:
                counts.closed(record.offset)
            else:
                page = page_of_event(found, self._settings.processors.pages)
                counts.event(record.offset, partition_of(page, self._settings.kafka.batches_partitions))
                if not self._scope.wants(found.workspace_id):
                    continue
                repeated.add(found, record.value or b"", Origin(topics.RAW_TOPICS.index(record.topic), record.partition, record.offset))
                if recompute is not None:
                    recompute.event(record, found, page)
                elif is_near(found, self._scope):
                    near.add(conversation_of(found) or 0)
        return near

    def _meter(self, raw: Mapping[Where, range], near: set[int], recompute: Recompute) -> None:
        """Read again, and meter the whole of every conversation that comes near the range (without a range: every one), and all agents."""
        for record, found in self._decoded(raw, "metering"):
            if isinstance(found, Refusal):
                recompute.refusal(record, found)
            elif found.kind != EventKind.LOG_CLOSED and self._scope.wants(found.workspace_id):
                conversation = conversation_of(found)
                if not self._scope.bounded or conversation is None or conversation in near:
                    recompute.event(record, found, page_of_event(found, self._settings.processors.pages))

    def _decoded(self, raw: Mapping[Where, range], what: str) -> Iterable[tuple[Record, Accepted | Refusal]]:
        lateness_ms = self._settings.rules.lateness_ms
        total, pace = sum(map(len, raw.values())), Pace()
        for number, record in enumerate(merged(self._settings.kafka, raw), start=1):
            if number % _SHOW_EVERY == 0:
                self._display.show(number, f"{what} {number:,} of {total:,} records, {pace.note(number)}")
            yield record, decode(record.value, record.log_ms, lateness_ms)

    def _compare(self, held: Held, ends: Mapping[Where, range], recompute: Recompute, cut: Cut) -> None:
        topic = held.topic
        self._display.show(0, f"comparing {topic}")
        mine = {where: offsets for where, offsets in ends.items() if where[0] == topic}
        held.add_all(every(self._settings.kafka, mine))
        metered = compare_recomputed(held, recompute, cut, self._findings)
        unlike, rows = unlike_stored(held, Stored(self._client).rows(topic, self._scope))
        self._look_again(held, unlike, mine)
        in_topic = sum(fact.newest.inside and fact.newest.live for fact in held.facts.values())
        counts = self.summary.facts.setdefault(topic, dict.fromkeys(("metered", "topic", "clickhouse"), 0))
        for name, count in (("metered", metered), ("topic", in_topic), ("clickhouse", rows)):
            counts[name] += count

    def _look_again(self, held: Held, unlike: set[str], read: Mapping[Where, range]) -> None:
        """Facts that were not the same: read what has come to the topic since, and ask ClickHouse for just these, until they are the same or nothing moves."""
        stored = Stored(self._client)
        rows = stored.some(held.topic, unlike)
        for _ in range(LOOKS_MAX):
            if not unlike:
                return
            ends = {where: offsets for where, offsets in self._offsets.held((held.topic,)).items() if where in read}
            news = {where: range(max(read[where].stop, offsets.start), offsets.stop) for where, offsets in ends.items()}
            held.add_all(every(self._settings.kafka, news))
            self._catch_up.sink()
            read = ends
            before, rows = rows, stored.some(held.topic, unlike)
            if rows == before and not any(news.values()):
                break
        compare_stored(held, unlike, rows, self._findings)

    def _compare_lines(self, cut: Cut) -> None:
        """The cut's lines are in ClickHouse, as they are or newer; what ClickHouse has is in the topic."""
        rows = {getattr(row, "ledger_id"): row for row in Stored(self._client).rows(topics.LEDGER, Scope())}  # noqa: B009 - rows are made from the list of columns
        self._catch_up.read_lines()
        wanted = [*cut.ingest.values(), *(line for lines in cut.processors.values() for line in lines.values())]
        for line in wanted:
            row = rows.get(line.ledger_id)
            if row is None:
                self._findings.say(Finding(Kind.STORE_LOST, TABLES[topics.LEDGER].name, line.ledger_id))
            elif row.revision < line.revision or (row.revision == line.revision and content(row) != content(line)):  # type: ignore[attr-defined]
                note = f"revision {row.revision} in ClickHouse, {line.revision} in the topic"  # type: ignore[attr-defined]
                self._findings.say(Finding(Kind.STORE_CHANGED, TABLES[topics.LEDGER].name, line.ledger_id, note))
        for ledger_id in sorted(rows.keys() - self._catch_up.lines.newest.keys()):
            self._findings.say(Finding(Kind.STORE_EXTRA, TABLES[topics.LEDGER].name, ledger_id))

    def _compare_seats(self, cut: Cut) -> None:
        seats = Seats(self._client, self._scope, cut.least_watermark_ms(self._settings.kafka.batches_partitions))
        for span in seats.spans():
            self._display.show(0, "comparing seat peaks")
            self.summary.seat_quarters += seats.count(span)
            unlike = seats.unlike(span)
            for _ in range(LOOKS_MAX):
                if not unlike:
                    break
                self._catch_up.sink()
                before, again = unlike, seats.unlike(span)
                unlike = {peak: again[peak] for peak in unlike if peak in again}
                if unlike == before:
                    break
            self._tell_seats(unlike)

    def _tell_seats(self, unlike: Mapping[Peak, tuple[Counted, Counted]]) -> None:
        for peak, (counted, published) in unlike.items():
            self._findings.say(finding(peak, counted, published))

    def _two_events(self, first: Origin, other: Origin) -> Finding:
        bodies = [value_at(self._settings.kafka, topics.RAW_TOPICS[origin.topic], origin[1:]) for origin in (first, other)]
        places = [f"{topics.RAW_TOPICS[origin.topic]}/{origin.partition}/{origin.offset}" for origin in (first, other)]
        pair = f"({bodies[0].get('source')}, {bodies[0].get('id')})"
        return Finding(Kind.TWO_EVENTS, "raw log", pair, " and ".join(places), bodies[0], bodies[1])

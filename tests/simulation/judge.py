"""The judge of a simulated world. It sees every record as it is appended, and computes what may be published in other ways than the pipeline does:

- `Safety`: at any moment, a fact in an aggregate topic is one that a fold without crashes gives for the same batches messages (bytes, id and revision
  included), that decoding gives for the same refused record, or that counting gives for the same raw offsets. So nothing is wrong, and equal
  (id, revision) have equal content.
- `verdict`: at the end, all of them are there; folded by (id, highest revision) they are the facts of one fold of all events at once, and those of
  the reference model; the store and the consumer hold the same; the ledger balances.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from services.events import topics
from services.events.batches import encode_batch
from services.events.outgoing import OutFact
from services.events.times import format_ms
from services.ingest.batcher import Batcher, Layout, RawRecord, Totals
from services.ingest.ledger import ingest_line
from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from services.sink.rows import TABLES, Table
from tests.reference.instants import instant_ms
from tests.reference.model import judged_by_time, reference_of_events
from tests.reference.validate import CONTROL_TYPE, Refusal, read_line
from tests.simulation.kafka import Log, Place, Record

Key = tuple[str, bytes]
"""(topic, id)."""


class Head(msgspec.Struct):
    """What every fact has."""

    revision: int
    status: str


_head = msgspec.json.Decoder(Head).decode
_body = msgspec.json.Decoder(dict[str, Any]).decode


class Kept:
    """The highest revision of every fact that was read, as any consumer keeps it."""

    def __init__(self) -> None:
        self.facts: dict[Key, tuple[int, bytes]] = {}

    def keep(self, topic: str, record: Record) -> None:
        assert record.key is not None
        assert record.value is not None
        revision = _head(record.value).revision
        held = self.facts.get((topic, record.key))
        if held is None or held[0] < revision:
            self.facts[topic, record.key] = (revision, record.value)

    def bodies(self, skip: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Facts that are not void, without their revision, by topic and id."""
        found = []
        for topic, key in sorted(self.facts):
            body = _body(self.facts[topic, key][1])
            if topic not in skip and body["status"] != "void":
                del body["revision"]
                found.append({"topic": topic} | body)
        return found


class Shape(msgspec.Struct, frozen=True):
    """How a world is laid out."""

    raw: tuple[int, ...]
    pages: int
    partitions: int
    low: int
    """The raw partitions begin at this offset."""
    rules: Rules = Rules()
    generation: int = 1


class Safety:
    """Sees every record. `wrong`: the first thing that must not be, or None."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.wrong: str | None = None
        self._batcher = _batcher(shape)
        self._folds = [PartitionFold(shape.rules, number, shape.pages, shape.partitions, shape.generation) for number in range(shape.partitions)]
        self.expected: dict[tuple[str, bytes, int], bytes] = {}
        self.must: set[tuple[str, bytes, int]] = set()
        """Of the expected those that have to be published in the end: all but the lines of ingest's ledger, which may skip some."""
        self.seen: set[tuple[str, bytes, int]] = set()
        for raw in self._batcher.totals:
            self._may_tell(raw, shape.low)

    def watch(self, place: Place, offset: int, record: Record) -> None:
        """One record was appended."""
        topic = place[0]
        if topic in topics.RAW_TOPICS:
            self._raw(topics.RAW_TOPICS.index(topic), place[1], offset, record)
        elif topic == topics.BATCHES:
            assert record.value is not None
            self._expect(self._folds[place[1]].apply(record.value, offset), must=True)
        elif topic in topics.FACT_TOPICS:
            self._fact(topic, record)

    def ranges_missing(self) -> int:
        """What the alarm of the processors would show: ranges that were not applied because their predecessor is missing."""
        return sum(fold.status()["ranges_missing"] for fold in self._folds)  # type: ignore[misc]

    def _raw(self, topic: int, partition: int, offset: int, record: Record) -> None:
        self._batcher.add(RawRecord(topic, partition, offset, record.log_ms, record.value))
        self._expect(self._batcher.take(0, 0)[1], must=True)
        self._may_tell((topic, partition), offset + 1)

    def _may_tell(self, raw: tuple[int, int], to_offset: int) -> None:
        self._expect([ingest_line(raw, self._batcher.totals[raw], to_offset, self._shape.generation)], must=False)

    def _expect(self, facts: Iterable[OutFact], *, must: bool) -> None:
        for fact in facts:
            ident = (fact.topic, fact.key, _head(fact.value).revision)
            held = self.expected.setdefault(ident, fact.value)
            if held != fact.value:
                self._found(f"the judge's own fold gives two contents for {ident}: {held!r} and {fact.value!r}")
            if must:
                self.must.add(ident)

    def _fact(self, topic: str, record: Record) -> None:
        assert record.key is not None
        assert record.value is not None
        ident = (topic, record.key, _head(record.value).revision)
        self.seen.add(ident)
        held = self.expected.get(ident)
        if held is None:
            self._found(f"a fact that nothing in the log gives: {record.value!r}")
        elif held != record.value:
            self._found(f"(id, revision) with another content: published {record.value!r}, the log gives {held!r}")

    def _found(self, text: str) -> None:
        self.wrong = self.wrong or text


def verdict(safety: Safety, shape: Shape, log: Log, rows: Mapping[str, Mapping[object, tuple[object, ...]]], consumer: Kept) -> str | None:
    """What is wrong at the end, when everything should be done; None: nothing."""
    kept = Kept()
    for place in log.places(topics.FACT_TOPICS):
        for record in log.all(place):
            kept.keep(place[0], record)
    return (
        _lost(safety)
        or _differ("the reference model", kept.bodies(skip=(topics.LEDGER, topics.REJECTED)), _reference(shape, log))
        or _differ("one fold of all events at once", kept.bodies(skip=(topics.LEDGER,)), _at_once(shape, log))
        or _same_in_store(kept, rows)
        or (None if kept.facts == consumer.facts else "the consumer holds other facts than the topics")
        or _unbalanced(shape, log, kept)
    )


def facts_are_complete(safety: Safety, shape: Shape, log: Log) -> bool:
    """Would the verdict on the batches messages alone be that no event is missing? For worlds in which the brokers forgot some."""
    found = Kept()
    for (topic, key, _), value in safety.expected.items():
        if topic not in (topics.LEDGER, topics.REJECTED):
            found.keep(topic, Record(key, value))
    return found.bodies() == _reference(shape, log)


def _batcher(shape: Shape) -> Batcher:
    batcher = Batcher(Layout(shape.raw, shape.pages, 1), shape.rules.lateness_ms, shape.generation)
    for topic, partitions in enumerate(shape.raw):
        for partition in range(partitions):
            batcher.begin((topic, partition), shape.low, begins=True, totals=Totals(first=shape.low))
    return batcher


def _lost(safety: Safety) -> str | None:
    lost = safety.must - safety.seen
    return None if not lost else f"{len(lost)} facts were never published, the first of them {safety.expected[min(lost)]!r}"


def _reference(shape: Shape, log: Log) -> list[dict[str, Any]]:
    accepted = []
    for place in log.places(topics.RAW_TOPICS):
        for record in log.all(place):
            event = _accepted(record)
            if event is not None:
                accepted.append(event)
    return reference_of_events(accepted)


def _accepted(record: Record) -> dict[str, Any] | None:
    found = read_line(record.value or b"")
    if isinstance(found, dict) and found["type"] == CONTROL_TYPE:
        return None
    time_ms = instant_ms(found["time"]) if isinstance(found, dict) else None
    found = judged_by_time(found, time_ms, record.log_ms)
    return None if isinstance(found, Refusal) else found | {"time_ms": time_ms}


def _at_once(shape: Shape, log: Log) -> list[dict[str, Any]]:
    """One poll of everything, one message, one fold."""
    batcher = _batcher(shape)
    for place in log.places(topics.RAW_TOPICS):
        for offset in range(log.low(place), log.end(place)):
            record = log.at(place, offset)
            batcher.add(RawRecord(topics.RAW_TOPICS.index(place[0]), place[1], offset, record.log_ms, record.value))
    batches, rejected = batcher.take(0, 0)
    facts = PartitionFold(shape.rules, 0, shape.pages, 1, shape.generation).apply(encode_batch(batches[0]), 0)
    kept = Kept()
    for fact in [*facts, *rejected]:
        if fact.topic != topics.LEDGER:
            kept.keep(fact.topic, Record(fact.key, fact.value))
    return kept.bodies()


def _differ(name: str, published: list[dict[str, Any]], right: list[dict[str, Any]]) -> str | None:
    if published == right:
        return None
    wrong = [fact for fact in published if fact not in right]
    missing = [fact for fact in right if fact not in published]
    return f"the final facts are not those of {name}: {len(wrong)} are wrong ({wrong[:1]}), {len(missing)} are missing ({missing[:1]})"


def _same_in_store(kept: Kept, rows: Mapping[str, Mapping[object, tuple[object, ...]]]) -> str | None:
    for topic, table in TABLES.items():
        right = {key.decode(): _body(value) for (of_topic, key), (_, value) in kept.facts.items() if of_topic == topic}
        stored = {ident: _told(table, row) for ident, row in rows.get(table.name, {}).items()}
        if stored != right:
            return f"table {table.name} FINAL holds {len(stored)} rows, the topic {len(right)} facts, and they differ"
    return None


def _told(table: Table, row: tuple[object, ...]) -> dict[str, object]:
    """A row as the fact tells it."""
    found = {}
    for (name, kind), value in zip(table.columns.items(), row, strict=True):
        found[name] = format_ms(value) if isinstance(value, int) and "DateTime64" in kind else value
    return found


def _unbalanced(shape: Shape, log: Log, kept: Kept) -> str | None:
    """read = accepted + rejected; accepted = applied, once, over all batches partitions; the lines reach the ends of the log."""
    lines = {key.decode(): _body(value) for (topic, key), (_, value) in kept.facts.items() if topic == topics.LEDGER}
    for topic, partition in log.places(topics.RAW_TOPICS):
        end, low = log.end((topic, partition)), shape.low
        read = lines.get(f"ingest/{topic}/{partition}")
        if read is None or read["to_offset"] != end:
            return f"the ledger of ingest does not reach the end of {topic}/{partition} ({end}): {read}"
        if read["read"] + read["control"] != end - low or read["read"] != read["accepted"] + sum(read["rejected"].values()):
            return f"the ledger of ingest does not balance: {end - low} records, {read}"
        applied = [lines.get(f"processor/{topic}/{partition}/{number}") for number in range(shape.partitions)]
        if any(line is None or line["to_offset"] != end or line["accepted"] != line["applied"] + line["covered"] for line in applied):
            return f"the ledger of the processors does not reach the end of {topic}/{partition} ({end}), or does not balance: {applied}"
        if sum(line["applied"] for line in applied if line) != read["accepted"]:
            return f"{topic}/{partition}: ingest accepted {read['accepted']}, the processors applied {[line and line['applied'] for line in applied]}"
    return None

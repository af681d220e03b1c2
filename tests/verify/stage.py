"""A small system at rest: events in the raw topics, and all that the rooms would have made of them, in topics and tables.

The work is done by the real batcher and folds in this process; the broker and ClickHouse are real. A test may spoil what is published or stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition

from services.cli.heads import read_head
from services.cli.offsets import Offsets
from services.cli.progress import Display
from services.cli.proof.facts import Scope
from services.cli.proof.findings import Findings
from services.cli.proof.proof import Proof, Summary
from services.events import topics
from services.events.batches import encode_batch
from services.events.outgoing import OutFact
from services.ingest.batcher import Batcher, Layout, RawPartition, RawRecord, Totals
from services.ingest.ledger import ingest_line
from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from services.runtime.clickhouse import connect
from services.runtime.committed import Committed
from services.runtime.kafka import client_config
from services.runtime.migrations import ClickHouseStore, pending
from services.runtime.settings import ClickHouseSettings, KafkaSettings, ProcessorSettings, Settings
from services.sink.rows import TABLES
from tests.parts.own import make_topics
from tests.verify.events import CLOSED_MS, Event

RAW_PARTITIONS = 2
PARTITIONS = 2
WALL_MS = 1_775_000_000_000

Spoil = Callable[[list[OutFact]], Iterable[OutFact]]


@dataclass
class Stage:
    kafka: KafkaSettings
    clickhouse: ClickHouseSettings
    settings: Settings = field(init=False)
    stored: list[OutFact] = field(default_factory=list)
    """What ClickHouse was given."""

    def __post_init__(self) -> None:
        kafka = self.kafka.model_copy(update={"raw_partitions": RAW_PARTITIONS, "batches_partitions": PARTITIONS, "facts_partitions": 1})
        self.settings = Settings(kafka=kafka, clickhouse=self.clickhouse, processors=ProcessorSettings(pages=64))
        self.client: Client = connect(self.clickhouse)
        store = ClickHouseStore(self.client)
        store.prepare()
        for migration in pending(store):
            store.apply(migration)
        self._producer = Producer(client_config(kafka) | {"enable.idempotence": True})
        self._layout = Layout((RAW_PARTITIONS,) * 4, 64, PARTITIONS)

    def build(self, events: Sequence[bytes], *, spoil: Spoil = list, close: bool = True) -> None:
        """Everything anew: the topics with these events, metered, published and stored."""
        make_topics(self.settings)
        self.empty()
        self.stored = []
        self._batcher = Batcher(self._layout, self.settings.rules.lateness_ms, 1)
        self._folds = [PartitionFold(Rules(), number, 64, PARTITIONS, 1) for number in range(PARTITIONS)]
        self._read: dict[RawPartition, int] = {}
        self._polls = 0
        for raw in ((topic, partition) for topic in range(4) for partition in range(RAW_PARTITIONS)):
            self._batcher.begin(raw, 0, begins=True, totals=Totals())
            self._read[raw] = 0
        self.write(events)
        facts = self.work(events)
        if close:
            closed = [Event("log.closed", CLOSED_MS).line()] * len(self._read)
            self.write(closed, each_partition=True)
            facts += self.work(closed, each_partition=True)
        self.publish(list(spoil(facts)))

    def write(self, events: Sequence[bytes], *, each_partition: bool = False) -> None:
        """Into the raw topics, in turn over their partitions."""
        for place, log_ms, line in self._places(events, each_partition):
            self._producer.produce(topics.RAW_TOPICS[place[0]], line, partition=place[1], timestamp=log_ms)
        assert self._producer.flush(30) == 0

    def work(self, events: Sequence[bytes], *, each_partition: bool = False) -> list[OutFact]:
        """What ingest and the processors publish when they read these next. They commit what they have read."""
        for place, log_ms, line in self._places(events, each_partition):
            self._batcher.add(RawRecord(*place, self._read[place], log_ms, line))
            self._read[place] += 1
        self._polls += 1
        batches, facts = self._batcher.take(WALL_MS, WALL_MS + 5_000 * self._polls)
        for number, (fold, batch) in enumerate(zip(self._folds, batches, strict=True)):
            value = encode_batch(batch)
            self._producer.produce(topics.BATCHES, value, partition=number)
            facts += fold.apply(value, self._polls - 1)
        assert self._producer.flush(30) == 0
        facts += [ingest_line(raw, totals, self._read[raw], 1) for raw, totals in self._batcher.totals.items()]
        self.commit(self.settings.ingest.group_id, topics.RAW_TOPICS)
        self.commit(self.settings.processors.app_id, (topics.BATCHES,))
        return facts

    def publish(self, facts: Iterable[OutFact], *, stored: bool = True) -> None:
        """Into the aggregate topics, and into ClickHouse as the sink would."""
        found = list(facts)
        for fact in found:
            self._producer.produce(fact.topic, fact.value, fact.key, partition=0)
        assert self._producer.flush(30) == 0
        if stored:
            self.store(found)
            self.commit(self.settings.sink.group_id, topics.FACT_TOPICS)

    def store(self, facts: Iterable[OutFact]) -> None:
        """Into ClickHouse alone."""
        facts = list(facts)
        self.stored += facts
        rows: dict[str, list[bytes]] = {}
        for fact in facts:
            rows.setdefault(TABLES[fact.topic].name, []).append(fact.value)
        for table, values in rows.items():
            self.client.raw_insert(table, insert_block=b"\n".join(values), fmt="JSONEachRow", settings={"date_time_input_format": "best_effort"})

    def empty(self) -> None:
        """ClickHouse's tables."""
        for table in TABLES.values():
            self.client.command(f"TRUNCATE TABLE {table.name}")

    def mend(self) -> None:
        """ClickHouse's tables as the sink would have left them."""
        self.empty()
        facts, self.stored = self.stored, []
        self.store(facts)

    def commit(self, group: str, names: Iterable[str]) -> None:
        """As the room would that has read everything."""
        held = Offsets(self.settings.kafka).held(names)
        with Committed(self.settings.kafka) as committed:
            committed.of(group, held)  # Waits until a new broker knows the group's coordinator.
        consumer = Consumer(client_config(self.settings.kafka) | {"group.id": group, "enable.auto.commit": False})
        consumer.commit(offsets=[TopicPartition(*place, offsets.stop) for place, offsets in held.items()], asynchronous=False)
        consumer.close()

    def verify(self, scope: Scope = Scope(), patience_s: float = 0.0) -> tuple[Summary, list[tuple[str, str]]]:  # noqa: B008 - frozen
        """The figures, and (kind, id) of every finding."""
        findings = Findings(kept_max=None)
        with Display("verify") as display:
            summary = Proof(self.settings, scope, patience_s, findings, display).run()
        return summary, sorted((str(found.kind), found.id) for found in findings.kept)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in bytes(self.client.raw_query(f"{statement} FORMAT JSONEachRow")).splitlines()]

    @staticmethod
    def _places(events: Sequence[bytes], each_partition: bool) -> Iterable[tuple[RawPartition, int, bytes]]:
        """(raw partition, log time, line): by type, and in turn; or one for each partition. Log times as E7 says."""
        newest_ms = 0
        for number, line in enumerate(events):
            topic, _, time_ms = read_head(line)
            if not each_partition:
                newest_ms = max(newest_ms, time_ms or 0)
                yield (topics.RAW_TOPICS.index(topic), number % RAW_PARTITIONS), newest_ms, line
            else:
                yield divmod(number, RAW_PARTITIONS), 0, line

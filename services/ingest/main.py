"""The ingest service: raw topics in, batches messages out (DESIGN §2). The shell around `batcher`.

Order of effects: produce a poll's messages, refusals and ledger lines; wait until all are acknowledged; only then commit the raw offsets, polls in order.
A crash between any two reads the same offsets again, with other cuts, which the processors' fence makes harmless.
Any failed delivery ends the process, because the broker may have taken a later message: the successor sends all of it again.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from services.events import topics
from services.events.batches import encode_batch
from services.events.outgoing import OutFact
from services.events.partitioning import fact_partition
from services.ingest import metrics
from services.ingest.batcher import Batcher, Layout, RawPartition, RawRecord, Totals
from services.ingest.ledger import dump_metadata, ingest_line, load_metadata
from services.ingest.pending import Pending
from services.runtime.clock import wall_ms
from services.runtime.errors import ServiceError, Unavailable
from services.runtime.kafka import TIMEOUT_S, client_config, partition_counts, verify_topics
from services.runtime.lifecycle import Service, run_service
from services.runtime.settings import Settings

NAME: Final = "ingest"
HISTORY_MS: Final = 72 * 3_600_000
"""T1: when the newest log time is further than this behind the clock, ticks carry it instead."""
LEDGER_EVERY_S: Final = 5.0

_log = structlog.get_logger(__name__)


class LogLost(ServiceError):
    """Records that were never read are gone from a raw topic: a human must decide (backfill, or accept the loss)."""


def run() -> int:
    """Work until SIGTERM or SIGINT, with the settings of the environment. Gives the exit code."""
    return run_service(NAME, serve)


def serve(settings: Settings, service: Service) -> None:
    """The body of the service."""
    verify_topics(settings)
    ingest = Ingest(settings, partition_counts(settings.kafka))
    service.ready_when(ingest.checks)
    service.tell_status(ingest.status)
    try:
        while not service.stopping.is_set():
            ingest.poll()
        ingest.settle()
    finally:
        ingest.close()


class Ingest:
    """One consumer of raw partitions and one producer."""

    def __init__(self, settings: Settings, counts: dict[str, int]) -> None:
        self._settings = settings
        self._generation = settings.processors.generation
        raw = tuple(counts[topic] for topic in topics.RAW_TOPICS)
        self._layout = Layout(raw, settings.processors.pages, counts[topics.BATCHES])
        self._facts_partitions = {topic: counts[topic] for topic in topics.FACT_TOPICS}
        self._batcher = Batcher(self._layout, settings.rules.lateness_ms, self._generation)
        self._pending: deque[Pending] = deque()
        self._newest_log_ms: int | None = None
        self._heard_at: dict[RawPartition, float] = {}
        self._told: dict[RawPartition, int] = {}
        self._ticked_at = self._told_at = monotonic()
        self._producer = Producer(_producer_config(settings))
        self._consumer = Consumer(_consumer_config(settings))
        self._consumer.subscribe(list(topics.RAW_TOPICS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def poll(self) -> None:
        """Read for one poll, send what came of it, commit what is acknowledged."""
        limits = self._settings.ingest
        messages = self._consumer.consume(limits.poll_events_max, limits.poll_ms / 1000)
        size_bytes = 0
        for message in messages:
            size_bytes += self._add(message)
            if size_bytes >= limits.poll_bytes_max:
                self._send()
                size_bytes = 0
        if messages or monotonic() - self._ticked_at >= limits.tick_s:
            self._send()
        self._producer.poll(0)
        self._commit()
        while len(self._pending) >= limits.in_flight_max:
            self._producer.poll(0.05)
            self._commit()

    def settle(self) -> None:
        """Wait until everything sent is acknowledged, and commit it."""
        self._tell_ledger()
        if self._producer.flush(TIMEOUT_S * 2) > 0:
            raise Unavailable("Kafka did not acknowledge the last messages in time; nothing is lost, the next start reads them again.")
        self._commit()

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def checks(self) -> dict[str, bool]:
        """For /readyz."""
        return {"assigned": bool(self._batcher.totals), "acknowledged": len(self._pending) < self._settings.ingest.in_flight_max}

    def status(self) -> dict[str, object]:
        """For /status.json."""
        positions = {f"{topics.RAW_TOPICS[raw[0]]}/{raw[1]}": offset for raw, offset in self._batcher.positions().items()}
        return {"positions": positions, "polls_in_flight": len(self._pending), "newest_log_ms": self._newest_log_ms}

    def _add(self, message: Message) -> int:
        error = message.error()
        if error is not None:
            self._failed_read(error, message)
            return 0
        value = message.value()
        log_ms = max(0, message.timestamp()[1])
        raw = (topics.RAW_TOPICS.index(_text(message.topic())), _number(message.partition()))
        if raw not in self._batcher.totals:
            # Fetched before a rebalance took the partition away: whoever has it now reads it.
            return 0
        self._batcher.add(RawRecord(raw[0], raw[1], _number(message.offset()), log_ms, value))
        self._heard_at[raw] = monotonic()
        if self._newest_log_ms is None or log_ms > self._newest_log_ms:
            self._newest_log_ms = log_ms
        return len(value or b"")

    def _failed_read(self, error: KafkaError, message: Message) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise LogLost(
                f"{message.topic()}/{message.partition()}: records that were never read are gone ({error.str()}): retention or a new topic of the same name. "
                f"Restore them, or reset the offsets of group {self._settings.ingest.group_id} to accept the loss."
            )
        if error.fatal() or not error.retriable():
            _log.warning("kafka read", error=error.str())
        if error.fatal():
            raise KafkaException(error)

    def _send(self) -> None:
        """One message to every batches partition: what was read, or only how far time has come."""
        now_ms = wall_ms()
        behind = self._newest_log_ms is not None and now_ms - self._newest_log_ms > HISTORY_MS
        tick_ms = self._newest_log_ms if behind and self._newest_log_ms is not None else now_ms
        positions = dict(self._batcher.positions())
        if not positions:
            return
        batches, rejected = self._batcher.take(tick_ms, now_ms, self._idle(positions))
        pending = Pending(positions, {raw: dump_metadata(totals, self._newest_log_ms) for raw, totals in self._batcher.totals.items()})
        self._pending.append(pending)
        for partition, batch in enumerate(batches):
            metrics.EVENTS.inc(sum(len(page.events) for page in batch.pages))
            self._produce(pending, topics.BATCHES, encode_batch(batch), None, partition)
        metrics.REJECTED.inc(len(rejected))
        self._publish(pending, rejected)
        self._ticked_at = monotonic()
        if self._ticked_at - self._told_at >= LEDGER_EVERY_S:
            self._tell_ledger()

    def _idle(self, positions: dict[RawPartition, int]) -> frozenset[RawPartition]:
        """T2: the raw partitions that have been read to their end for `idle_after`."""
        now = monotonic()
        idle = set()
        for raw, offset in positions.items():
            if now - self._heard_at[raw] >= self._settings.ingest.idle_after_s:
                _, end = self._consumer.get_watermark_offsets(_topic_partition(raw), cached=True)
                if 0 <= end <= offset:
                    idle.add(raw)
        return frozenset(idle)

    def _tell_ledger(self) -> None:
        """A line for every raw partition that moved. Lost with a crash, the next one says the same and more."""
        lines = []
        for raw, offset in self._batcher.positions().items():
            if self._told.get(raw) != offset:
                lines.append(ingest_line(raw, self._batcher.totals[raw], offset, self._generation))
                self._told[raw] = offset
        if self._pending:
            self._publish(self._pending[-1], lines)
        else:
            self._publish(Pending({}, {}), lines)
        self._told_at = monotonic()

    def _publish(self, pending: Pending, facts: list[OutFact]) -> None:
        for fact in facts:
            partition = fact_partition(fact.workspace_id, self._facts_partitions[fact.topic])
            self._produce(pending, fact.topic, fact.value, fact.key, partition)

    def _produce(self, pending: Pending, topic: str, value: bytes, key: bytes | None, partition: int) -> None:
        pending.sent += 1
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=pending.delivered)
                return
            except BufferError:
                # librdkafka's queue is full: the broker is slower than we are.
                self._producer.poll(0.1)

    def _commit(self) -> None:
        """Commit the newest poll of which, and before which, everything is acknowledged."""
        done: Pending | None = None
        while self._pending and self._pending[0].acknowledged():
            done = self._pending.popleft()
        if done is None:
            return
        offsets = [_topic_partition(raw, offset, done.metadata[raw]) for raw, offset in done.positions.items() if raw in self._batcher.totals]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Go on where the group committed; in a partition that nobody ever committed, at its beginning."""
        committed = consumer.committed(partitions, timeout=TIMEOUT_S)
        for place in committed:
            raw = (topics.RAW_TOPICS.index(place.topic), place.partition)
            low, _ = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
            begins = place.offset < 0
            if not begins and place.offset < low:
                raise LogLost(
                    f"{place.topic}/{place.partition}: offsets {place.offset} to {low} were deleted before they were read. "
                    f"Restore them, or reset the offsets of group {self._settings.ingest.group_id} to accept the loss."
                )
            offset = low if begins else place.offset
            totals, log_ms = (Totals(first=offset), None) if begins else load_metadata(place.metadata or "")
            self._batcher.begin(raw, offset, begins=begins or offset == totals.first, totals=totals)
            self._heard_at[raw] = monotonic()
            if log_ms is not None:
                self._newest_log_ms = max(log_ms, self._newest_log_ms or 0)
            place.offset = offset
        consumer.assign(committed)
        _log.info("raw partitions assigned", count=len(committed))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Everything read is sent and acknowledged before another process reads on."""
        self.settle()
        if self._pending:
            raise AssertionError("settled, yet polls are pending")
        done = [_topic_partition(raw, offset, dump_metadata(self._batcher.totals[raw], self._newest_log_ms)) for raw, offset in self._batcher.positions().items()]
        if done:
            consumer.commit(offsets=done, asynchronous=False)
        self._drop(partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Another process may read there already: what is under way is harmless, committing is not ours any more."""
        self._pending.clear()
        self._drop(partitions)

    def _drop(self, partitions: list[TopicPartition]) -> None:
        for place in partitions:
            raw = (topics.RAW_TOPICS.index(place.topic), place.partition)
            self._batcher.drop(raw)
            self._heard_at.pop(raw, None)
            self._told.pop(raw, None)


def _consumer_config(settings: Settings) -> dict[str, Any]:
    return client_config(settings.kafka, settings.log_level) | {
        "group.id": settings.ingest.group_id,
        "session.timeout.ms": settings.ingest.session_timeout_ms,
        "enable.auto.commit": False,
        # A position that is gone must be heard of, not skipped (B1.22).
        "auto.offset.reset": "error",
        "partition.assignment.strategy": "range",
        "enable.partition.eof": False,
        "fetch.message.max.bytes": 4 * 1024 * 1024,
        "queued.max.messages.kbytes": 64 * 1024,
    }


def _producer_config(settings: Settings) -> dict[str, Any]:
    return client_config(settings.kafka, settings.log_level) | {
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "compression.type": "lz4",
        "message.max.bytes": 8 * 1024 * 1024,
        "delivery.timeout.ms": 60_000,
    }


def _topic_partition(raw: RawPartition, offset: int | None = None, metadata: str | None = None) -> TopicPartition:
    topic = topics.RAW_TOPICS[raw[0]]
    if offset is None:
        return TopicPartition(topic, raw[1])
    return TopicPartition(topic, raw[1], offset, metadata)


def _text(value: str | None) -> str:
    assert value is not None
    return value


def _number(value: int | None) -> int:
    assert value is not None
    return value

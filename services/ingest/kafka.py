"""The ports of ingest on Kafka, with confluent-kafka. The only file of this room that knows it.

Rule: partitions come and go inside `consume`; offsets that are gone are an error, never skipped; messages are idempotent, with acks from all replicas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, Final, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from services.events import topics
from services.ingest.batcher import RawPartition
from services.ingest.ports import Delivered, LogLost, Mark, Owner, Run, Start, replaced
from services.runtime.errors import Unavailable
from services.runtime.kafka import BATCH_MESSAGE_BYTES_MAX, TIMEOUT_S, client_config, consumer_config
from services.runtime.settings import Settings
from services.runtime.topic_ids import Watch

T = TypeVar("T")

_FULL_WAIT_S: Final = 0.1
_TOPIC_NUMBERS: Final = {topic: number for number, topic in enumerate(topics.RAW_TOPICS)}

_log = structlog.get_logger(__name__)


class KafkaSource:
    """`RawSource` and `Committer`: one consumer."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = Consumer(_consumer_config(settings))
        self._watch = Watch(settings.kafka, topics.RAW_TOPICS)

    def join(self, owner: Owner) -> None:
        def assigned(consumer: Consumer, places: list[TopicPartition]) -> None:
            first = owner.assigned(_starts(consumer, places, self._watch.first))
            consumer.assign([_place(raw, offset) for raw, offset in first.items()])

        def revoked(_consumer: Consumer, places: list[TopicPartition]) -> None:
            owner.revoked([_raw(place) for place in places])

        def lost(_consumer: Consumer, places: list[TopicPartition]) -> None:
            owner.lost([_raw(place) for place in places])

        self._consumer.subscribe(list(topics.RAW_TOPICS), on_assign=assigned, on_revoke=revoked, on_lost=lost)

    def read(self, records_max: int, wait_s: float) -> Sequence[Run]:
        if (topic := self._watch.replaced(monotonic())) is not None:
            raise LogLost(replaced(topic))
        runs: list[Run] = []
        records: list[Any] = []
        last_topic: str | None = None
        last_partition: int | None = None
        for message in self._consumer.consume(records_max, wait_s):
            error = message.error()
            if error is not None:
                self._failed_read(error, message)
                continue
            topic, partition = message.topic(), message.partition()
            if partition != last_partition or topic != last_topic:
                last_topic, last_partition = topic, partition
                records = []
                runs.append(Run((_TOPIC_NUMBERS[_sure(topic)], _sure(partition)), records))
            log_ms = message.timestamp()[1]
            records.append((message.offset(), log_ms if log_ms > 0 else 0, message.value()))
        return runs

    def end_of(self, raw: RawPartition) -> int | None:
        found = self._consumer.get_watermark_offsets(_place(raw), cached=True)
        return None if found is None or found[1] < 0 else found[1]

    def commit(self, marks: Mapping[RawPartition, Mark], *, wait: bool) -> None:
        places = [_place(raw, mark.offset, mark.metadata) for raw, mark in marks.items()]
        if wait:
            self._consumer.commit(offsets=places, asynchronous=False)
        else:
            self._consumer.commit(offsets=places, asynchronous=True)

    def close(self) -> None:
        self._consumer.close()

    def _failed_read(self, error: KafkaError, message: Message) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise LogLost(
                f"{message.topic()}/{message.partition()}: records that were never read are gone ({error.str()}): retention or a new topic of the same name. "
                "Restore them; or accept the loss, and meter what is left anew: `quarterhour rebuild`."
            )
        # As a message, a fatal error tells so by its code alone, and the consumer gives nothing any more (seen: fenced after a broker's restart).
        if error.fatal() or error.code() == KafkaError._FATAL:
            raise Unavailable(f"Kafka does not let this consumer go on: {error.str()}. Nothing is lost; the next start reads on from the last commit.")
        if not error.retriable():
            _log.warning("kafka read", error=error.str())


class KafkaOutgoing:
    """`Outgoing`: one producer."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(_producer_config(settings))

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes, delivered: Delivered) -> None:
        report = partial(_report, delivered)
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=report)
                return
            except BufferError:
                # librdkafka's queue is full: the broker is slower than we are.
                self._producer.poll(_FULL_WAIT_S)

    def serve(self, wait_s: float) -> None:
        self._producer.poll(wait_s)

    def flush(self, wait_s: float) -> bool:
        return self._producer.flush(wait_s) == 0


def _report(delivered: Delivered, error: KafkaError | None, message: Message) -> None:
    delivered(None if error is None else f"{message.topic()}/{message.partition()} did not take a message: {error.str()}.")


def _starts(consumer: Consumer, places: list[TopicPartition], ids: Mapping[str, str]) -> dict[RawPartition, Start]:
    starts = {}
    for place in consumer.committed(places, timeout=TIMEOUT_S):
        low, _ = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
        starts[_raw(place)] = Start(place.offset if place.offset >= 0 else None, place.metadata or "", low, ids.get(place.topic, ""))
    return starts


def _sure(value: T | None) -> T:
    assert value is not None, "a message without an error has it"
    return value


def _raw(place: TopicPartition) -> RawPartition:
    return _TOPIC_NUMBERS[place.topic], place.partition


def _place(raw: RawPartition, offset: int | None = None, metadata: str | None = None) -> TopicPartition:
    topic = topics.RAW_TOPICS[raw[0]]
    if offset is None:
        return TopicPartition(topic, raw[1])
    return TopicPartition(topic, raw[1], offset) if metadata is None else TopicPartition(topic, raw[1], offset, metadata)


def _consumer_config(settings: Settings) -> dict[str, Any]:
    ingest = settings.ingest
    return consumer_config(settings.kafka, settings.log_level, settings.ingest_group, ingest.instance, ingest.session_timeout_ms) | {
        "partition.assignment.strategy": "range",
        "enable.partition.eof": False,
        "fetch.message.max.bytes": 4 * 1024 * 1024,
        "queued.max.messages.kbytes": 32 * 1024,
    }


def _producer_config(settings: Settings) -> dict[str, Any]:
    return client_config(settings.kafka, settings.log_level) | {
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "compression.type": "lz4",
        "message.max.bytes": BATCH_MESSAGE_BYTES_MAX,
        "delivery.timeout.ms": 60_000,
    }

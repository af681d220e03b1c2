"""The facts on Kafka, with confluent-kafka. The only file of this room that knows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from services.events import topics
from services.runtime.errors import Unavailable
from services.runtime.kafka import TIMEOUT_S, consumer_config
from services.runtime.settings import Settings
from services.runtime.topic_ids import Watch
from services.sink.source import FactRecord, FactsLost, NotCommitted, Owner
from services.sink.waiting import Partition


class KafkaFacts:
    """`FactSource`: one consumer."""

    def __init__(self, settings: Settings) -> None:
        self._group_id = settings.sink.group_id
        self._consumer = Consumer(_consumer_config(settings))
        self._watch = Watch(settings.kafka, topics.FACT_TOPICS)

    def join(self, owner: Owner) -> None:
        def assigned(consumer: Consumer, places: list[TopicPartition]) -> None:
            consumer.incremental_assign(self._starts(consumer, places))
            owner.assigned([(place.topic, place.partition) for place in places])

        def taken_away(_consumer: Consumer, places: list[TopicPartition]) -> None:
            owner.taken_away([(place.topic, place.partition) for place in places])

        self._consumer.subscribe(list(topics.FACT_TOPICS), on_assign=assigned, on_revoke=taken_away, on_lost=taken_away)

    def next(self, wait_s: float) -> FactRecord | None:
        # One at a time: `consume` may hand out records of a partition that it just gave away, `poll` does not.
        if (replaced := self._watch.replaced(monotonic())) is not None:
            raise self._lost(f"{replaced} was deleted, and made anew since")
        message = self._consumer.poll(wait_s)
        if message is None:
            return None
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise self._lost(f"{message.topic()}/{message.partition()}: {error.str()}")
            raise Unavailable(f"Kafka does not hand out facts: {error.str()}. The next start reads on from the last commit.")
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        return FactRecord(topic, partition, offset, message.value())

    def hold(self, *, held: bool) -> None:
        if held:
            self._consumer.pause(self._consumer.assignment())
        else:
            self._consumer.resume(self._consumer.assignment())

    def commit(self, offsets: Mapping[Partition, int]) -> Collection[Partition]:
        places = [TopicPartition(topic, partition, offset, self._watch.first.get(topic, "")) for (topic, partition), offset in offsets.items()]
        try:
            done = self._consumer.commit(offsets=places, asynchronous=False) or []
        except KafkaException as error:
            raise NotCommitted(error.args[0].str()) from error
        return {(place.topic, place.partition) for place in done if place.error is None}

    def close(self) -> None:
        self._consumer.close()

    def _starts(self, consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
        """Behind what is committed, if that is in this very topic and still there; where nothing is committed, at the beginning."""
        starts = []
        for place in consumer.committed(places, timeout=TIMEOUT_S):
            low, _ = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
            if place.offset >= 0 and place.metadata and place.metadata != self._watch.first.get(place.topic):
                raise self._lost(f"{place.topic} was deleted and made anew")
            if 0 <= place.offset < low:
                raise self._lost(f"{place.topic}/{place.partition}: offsets {place.offset} to {low} were deleted before they were stored")
            starts.append(TopicPartition(place.topic, place.partition, place.offset if place.offset >= 0 else low))
        return starts

    def _lost(self, what: str) -> FactsLost:
        return FactsLost(
            f"{what}: facts may be gone that are not in ClickHouse. `quarterhour verify` names them; publish them again by a rebuild with a higher generation. "
            f"To accept the loss, reset the offsets of group {self._group_id}."
        )


def _consumer_config(settings: Settings) -> dict[str, Any]:
    sink = settings.sink
    return consumer_config(settings.kafka, settings.log_level, sink.group_id, sink.instance, sink.session_timeout_ms) | {
        "enable.auto.offset.store": False,
        "partition.assignment.strategy": "cooperative-sticky",
        "queued.max.messages.kbytes": 32 * 1024,
    }

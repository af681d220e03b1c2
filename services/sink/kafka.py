"""The facts on Kafka, with confluent-kafka. The only file of this room that knows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from services.events import topics
from services.runtime.errors import Unavailable
from services.runtime.kafka import client_config
from services.runtime.settings import Settings
from services.sink.source import FactRecord, NotCommitted, Owner
from services.sink.waiting import Partition


class KafkaFacts:
    """`FactSource`: one consumer."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = Consumer(_consumer_config(settings))

    def join(self, owner: Owner) -> None:
        def assigned(_consumer: Consumer, places: list[TopicPartition]) -> None:
            owner.assigned([(place.topic, place.partition) for place in places])

        def taken_away(_consumer: Consumer, places: list[TopicPartition]) -> None:
            owner.taken_away([(place.topic, place.partition) for place in places])

        self._consumer.subscribe(list(topics.FACT_TOPICS), on_assign=assigned, on_revoke=taken_away, on_lost=taken_away)

    def next(self, wait_s: float) -> FactRecord | None:
        # One at a time: `consume` may hand out records of a partition that it just gave away, `poll` does not.
        message = self._consumer.poll(wait_s)
        if message is None:
            return None
        error = message.error()
        if error is not None:
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
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        try:
            done = self._consumer.commit(offsets=places, asynchronous=False) or []
        except KafkaException as error:
            raise NotCommitted(error.args[0].str()) from error
        return {(place.topic, place.partition) for place in done if place.error is None}

    def close(self) -> None:
        self._consumer.close()


def _consumer_config(settings: Settings) -> dict[str, Any]:
    sink = settings.sink
    return client_config(settings.kafka, settings.log_level) | ({"group.instance.id": sink.instance} if sink.instance else {}) | {
        "group.id": sink.group_id,
        "session.timeout.ms": sink.session_timeout_ms,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": 65_536,
    }

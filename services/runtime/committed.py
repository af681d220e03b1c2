"""What consumer groups have committed, as their coordinator knows it.

Rule: asked by a consumer that never joins. The admin client's question (`list_consumer_group_offsets`) ends the whole process by a segmentation fault while
the coordinator is being made or moved, so always on a new broker (librdkafka 2.16, its issue 5040: an admin client has no group that could look for another
coordinator). Limit: one connection a group, kept until `close`; one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from services.runtime.kafka import TIMEOUT_S, client_config
from services.runtime.settings import KafkaSettings

_AGAIN_AFTER_S: Final = 0.05
_PASSES: Final = frozenset({KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR})
"""A new or restarted broker says these for a second or two."""


class Committed:
    """Asks one cluster, about any group."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._askers: dict[str, Consumer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, group: str, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The group's next offset of each of these (topic, partition) that it has committed. Raises `KafkaException`."""
        wanted = [TopicPartition(topic, partition) for topic, partition in partitions]
        if not wanted:
            return {}
        asker = self._asker(group)
        # Nothing is assigned, so nothing is read: this lets the client say what it has to say to its logger.
        asker.poll(0)
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                return {(place.topic, place.partition): place.offset for place in _sound(asker.committed(wanted, timeout=TIMEOUT_S)) if place.offset >= 0}
            except KafkaException as error:
                if error.args[0].code() not in _PASSES or time.monotonic() > deadline:
                    raise
            time.sleep(_AGAIN_AFTER_S)

    def close(self) -> None:
        """Give the connections back. Harmless when it was done already."""
        while self._askers:
            self._askers.popitem()[1].close()

    def _asker(self, group: str) -> Consumer:
        if group not in self._askers:
            self._askers[group] = Consumer({**client_config(self._kafka, "ERROR"), "group.id": group, "enable.auto.commit": False})
        return self._askers[group]


def _sound(places: list[TopicPartition]) -> list[TopicPartition]:
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
    return places

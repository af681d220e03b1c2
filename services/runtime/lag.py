"""How far consumer groups are behind, as the broker knows it: for `status` and `wait`."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # the package exports these without saying so

from services.runtime.committed import Committed
from services.runtime.errors import Unavailable
from services.runtime.kafka import TIMEOUT_S, client_config
from services.runtime.settings import KafkaSettings

_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Lag = dict[tuple[str, int], int]
"""(topic, partition) -> records that the group has not committed."""


def group_lags(kafka: KafkaSettings, groups: dict[str, list[str]]) -> dict[str, Lag]:
    """Group -> lag of each partition of the topics given for it. A partition without a commit counts from its beginning.

    Raises `Unavailable`.
    """
    admin = AdminClient(client_config(kafka, "ERROR"))
    try:
        partitions = _partitions(admin, {topic for topics in groups.values() for topic in topics})
        earliest = _offsets(admin, partitions, _EARLIEST)
        latest = _offsets(admin, partitions, _LATEST)
        with Committed(kafka) as committed:
            return {group: _lag(committed.of(group, _of(latest, topics)), topics, earliest, latest) for group, topics in groups.items()}
    except KafkaException as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not tell consumer lags: {error.args[0].str()}.") from error


def _partitions(admin: AdminClient, topics: set[str]) -> list[TopicPartition]:
    listed = admin.list_topics(timeout=TIMEOUT_S).topics
    return [TopicPartition(topic, partition) for topic in sorted(topics & listed.keys()) for partition in listed[topic].partitions]


def _offsets(admin: AdminClient, partitions: list[TopicPartition], spec: OffsetSpec) -> Lag:
    asked = admin.list_offsets(dict.fromkeys(partitions, spec), request_timeout=TIMEOUT_S) if partitions else {}
    return {(partition.topic, partition.partition): future.result().offset for partition, future in asked.items()}


def _of(offsets: Lag, topics: list[str]) -> list[tuple[str, int]]:
    return [where for where in offsets if where[0] in topics]


def _lag(committed: Lag, topics: list[str], earliest: Lag, latest: Lag) -> Lag:
    return {where: max(0, end - committed.get(where, earliest[where])) for where, end in latest.items() if where[0] in topics}

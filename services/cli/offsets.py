"""What the broker knows of topics and consumer groups: ends, newest log times, committed offsets, members. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # the package exports these without saying so

from services.runtime.committed import Committed
from services.runtime.errors import Unavailable
from services.runtime.kafka import TIMEOUT_S, client_config, partition_counts
from services.runtime.settings import KafkaSettings

Where = tuple[str, int]
"""(topic, partition)."""

_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_NEWEST: Final = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]


class Offsets:
    """Asks one cluster. Every method raises `Unavailable` when the broker does not answer."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._admin = AdminClient(client_config(kafka, "ERROR"))
        self._committed = Committed(kafka)

    def held(self, topics: Iterable[str]) -> dict[Where, range]:
        """The offsets that every partition holds now."""
        partitions = self._partitions(topics)
        begins = self._list(partitions, _EARLIEST)
        return {where: range(begins[where][0], end) for where, (end, _) in self._list(partitions, _LATEST).items()}

    def newest_log_ms(self, topics: Iterable[str]) -> dict[Where, int | None]:
        """The greatest record timestamp of every partition (UTC milliseconds); none where there is no record."""
        listed = self._list(self._partitions(topics), _NEWEST)
        return {where: log_ms if offset >= 0 else None for where, (offset, log_ms) in listed.items()}

    def first_at(self, held: Mapping[Where, range], log_ms: int) -> dict[Where, int]:
        """The first offset of each partition whose log time is not before an instant; its end, where there is none."""
        asked = self._list([TopicPartition(*where) for where in held], OffsetSpec.for_timestamp(log_ms))
        return {where: offset if offset >= 0 else held[where].stop for where, (offset, _) in asked.items()}

    def committed(self, group: str, partitions: Iterable[Where]) -> dict[Where, int]:
        """The group's next offset of each of these that it has committed."""
        try:
            return self._committed.of(group, partitions)
        except KafkaException as error:
            raise self._silent(error) from error

    def members(self, group: str) -> int:
        """How many processes are in the group now."""
        try:
            (asked,) = self._admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S).values()
            return len(asked.result().members)
        except KafkaException as error:
            raise self._silent(error) from error

    def _partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        counts = partition_counts(self._kafka)
        wanted = list(topics)
        missing = sorted(set(wanted) - counts.keys())
        if missing:
            raise Unavailable(f"Kafka at {self._kafka.bootstrap_servers} has no topic {', '.join(missing)}: run `quarterhour topics create`.")
        return [TopicPartition(topic, partition) for topic in wanted for partition in range(counts[topic])]

    def _list(self, partitions: list[TopicPartition], spec: OffsetSpec) -> dict[Where, tuple[int, int]]:
        """(offset, timestamp) of each partition."""
        try:
            asked = self._admin.list_offsets(dict.fromkeys(partitions, spec), request_timeout=TIMEOUT_S)
            found = {(partition.topic, partition.partition): future.result() for partition, future in asked.items()}
        except KafkaException as error:
            raise self._silent(error) from error
        return {where: (result.offset, result.timestamp) for where, result in found.items()}

    def _silent(self, error: KafkaException) -> Unavailable:
        return Unavailable(
            f"Kafka at {self._kafka.bootstrap_servers} does not tell its offsets: {error.args[0].str()}. Is it running? `quarterhour status` tells."
        )

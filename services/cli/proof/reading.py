"""Records of topics, from an offset to an offset, without a group: all there are, or merged by log time. Reads only.

Rule: what was asked for and is not there any more is an error, never skipped; offsets that compaction removed are no records.
Limit: merging holds `BUFFER_BYTES` of records over all partitions at most, and one record of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from services.cli.offsets import Where
from services.cli.proof.record import Record
from services.runtime.errors import Unavailable
from services.runtime.kafka import READ_ON, client_config
from services.runtime.settings import KafkaSettings

BUFFER_BYTES: Final = 48 * 1024 * 1024
_POLL_RECORDS: Final = 2_000
_POLL_S: Final = 0.01
_SILENT_POLLS_MAX: Final = 6_000
"""A minute without a record that must be there."""


class Reader:
    """Reads the given offsets of each partition once, in the order of its offsets. A context manager."""

    def __init__(self, kafka: KafkaSettings, offsets: Mapping[Where, range]) -> None:
        self._kafka = kafka
        self._stops = {where: asked.stop for where, asked in offsets.items() if asked}
        self._consumer = Consumer(client_config(kafka, "ERROR") | READ_ON | _CONFIG)
        self._consumer.assign([TopicPartition(*where, offsets[where].start) for where in self._stops])
        self._held: set[Where] = set()
        self._silent = 0

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def unfinished(self) -> set[Where]:
        """Partitions of which records are still to come."""
        return set(self._stops)

    def some(self) -> list[Record]:
        """What has come since the last call; nothing when all is read, or a moment passed without a record. Raises `Unavailable`."""
        if not self._stops:
            return []
        records = []
        for message in self._consumer.consume(_POLL_RECORDS, _POLL_S):
            if (error := message.error()) is not None:
                self._failed(error, message)
            elif (record := self._taken(message)) is not None:
                records.append(record)
        self._silent = 0 if records or not self._stops else self._silent + 1
        if self._silent > _SILENT_POLLS_MAX and not self._held:
            raise Unavailable(f"Kafka at {self._kafka.bootstrap_servers} does not give the records of {sorted(self._stops)[0]}. Is it running? Try again.")
        return records

    def hold(self, places: set[Where]) -> None:
        """Read no more of exactly these for now."""
        wanted = places & self._stops.keys()
        if added := wanted - self._held:
            self._consumer.pause([TopicPartition(*where) for where in added])
        if freed := (self._held - wanted) & self._stops.keys():
            self._consumer.resume([TopicPartition(*where) for where in freed])
        self._held = wanted

    def _taken(self, message: Message) -> Record | None:
        record = _record(message)
        where = (record.topic, record.partition)
        stop = self._stops.get(where)
        if stop is None:
            return None
        if record.offset >= stop - 1:
            self._done(where)
        return record if record.offset < stop else None

    def _failed(self, error: KafkaError, message: Message) -> None:
        where = (str(message.topic()), message.partition() or 0)
        if error.code() == KafkaError._PARTITION_EOF:
            if message.offset() is not None and message.offset() >= self._stops.get(where, 0):  # type: ignore[operator]  # none is ruled out
                self._done(where)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise Unavailable(f"{where[0]}/{where[1]}: records were deleted while they were read ({error.str()}). Run the command again.")
        elif error.fatal():
            raise KafkaException(error)

    def _done(self, where: Where) -> None:
        if self._stops.pop(where, None) is not None:
            self._consumer.pause([TopicPartition(*where)])
            self._held.discard(where)


def every(kafka: KafkaSettings, offsets: Mapping[Where, range]) -> Iterator[Record]:
    """All records, of each partition in order; partitions as they come."""
    with Reader(kafka, offsets) as reader:
        while reader.unfinished():
            yield from reader.some()


def merged(kafka: KafkaSettings, offsets: Mapping[Where, range]) -> Iterator[Record]:
    """All records by log time, of each partition in order: where a partition's log times go back, it counts as far as it has come."""
    with Reader(kafka, offsets) as reader:
        yield from _merge(reader)


def _merge(reader: Reader) -> Iterator[Record]:
    queues: dict[Where, deque[Record]] = {where: deque() for where in reader.unfinished()}
    sizes: dict[Where, int] = dict.fromkeys(queues, 0)
    reached_ms: dict[Where, int] = dict.fromkeys(queues, 0)
    size_max = BUFFER_BYTES // max(1, len(queues))
    heads: list[tuple[int, Where]] = []
    waiting = set(queues)
    while True:
        while waiting:
            for record in reader.some():
                where = (record.topic, record.partition)
                queues[where].append(record)
                sizes[where] += len(record.value or b"") + 100
            ready = {where for where in waiting if queues[where]}
            waiting = (waiting - ready) & reader.unfinished()
            heads += [(_advance(reached_ms, where, queues[where][0]), where) for where in ready]
            reader.hold({where for where, size in sizes.items() if size > size_max})
        if not heads:
            return
        heapify(heads)
        while not waiting and heads:
            where = heads[0][1]
            queue = queues[where]
            record = queue.popleft()
            sizes[where] -= len(record.value or b"") + 100
            yield record
            if queue:
                heapreplace(heads, (_advance(reached_ms, where, queue[0]), where))
            else:
                heappop(heads)
                waiting = {where} & reader.unfinished()


def _advance(reached_ms: dict[Where, int], where: Where, record: Record) -> int:
    reached_ms[where] = max(reached_ms[where], record.log_ms)
    return reached_ms[where]


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(topic, partition, offset, max(0, message.timestamp()[1]), message.value())


_CONFIG: Final[dict[str, Any]] = {
    # A name that the client insists on; nothing is committed and no group is entered.
    "group.id": "quarterhour-reader",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "queued.max.messages.kbytes": 16 * 1024,
    "fetch.message.max.bytes": 1024 * 1024,
    "fetch.wait.max.ms": 50,
}

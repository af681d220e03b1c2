"""Send facts to the aggregate topics and state to its topic, and know when all of an epoch's are acknowledged (E1-E3).

Rule: acks from all in-sync replicas, idempotent, and a record that cannot be delivered raises: the process ends before what comes after it is sent.
librdkafka's producer rather than Faust's: a record costs the event loop 5 µs there, 22 µs in aiokafka (measured), and 80 µs where Faust sends the page
of a table; facts and pages need nothing of Faust, which recovers its table from the topic whoever wrote there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from services.events.outgoing import OutFact
from services.events.partitioning import fact_partition
from services.processors.exits import Exit, Fatal
from services.processors.line import Receipt
from services.runtime.kafka import STATE_MESSAGE_BYTES_MAX, client_config
from services.runtime.settings import KafkaSettings

_DELIVERY_S_MAX: Final = 20
_POLL_S: Final = 0.002
_FULL_WAIT_S: Final = 0.05


class FactProducer:
    """The `Facts` of a line, and its state, on Kafka."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._partitions = settings.facts_partitions
        self._producer = Producer(
            {
                **client_config(settings),
                "acks": "all",
                "enable.idempotence": True,
                # Facts of a few messages travel together: at full load the broker took 1.6 µs an event with 5 ms and 1.2 with 30 (three rounds in turn).
                "linger.ms": 20,
                "compression.type": "lz4",
                "delivery.timeout.ms": _DELIVERY_S_MAX * 1000,
                "message.max.bytes": STATE_MESSAGE_BYTES_MAX,
            }
        )

    def send(self, facts: Sequence[OutFact], receipt: Receipt) -> None:
        """Hand facts to the producer; the partition follows from the workspace alone."""
        delivered = partial(_delivered, receipt)
        for fact in facts:
            self._produce(fact.topic, fact_partition(fact.workspace_id, self._partitions), fact.key, fact.value, delivered)
        receipt.sent += len(facts)
        self._producer.poll(0)

    async def append(self, topic: str, partition: int, records: Sequence[tuple[bytes, bytes]]) -> None:
        """(key, value) of records to one partition; returns when all are acknowledged. Raises `Fatal` when one was refused."""
        receipt = Receipt()
        delivered = partial(_delivered, receipt)
        for key, value in records:
            self._produce(topic, partition, key, value, delivered)
            receipt.sent += 1
        await self.settle(receipt)

    async def settle(self, receipt: Receipt) -> None:
        """Return when all records of `receipt` are acknowledged. Raises `Fatal` when one was refused."""
        self._producer.poll(0)
        while receipt.acknowledged < receipt.sent:
            await asyncio.sleep(_POLL_S)
            self._producer.poll(0)

    def backlog(self) -> int:
        """Facts, and requests, on their way."""
        return len(self._producer)

    def _produce(self, topic: str, partition: int, key: bytes, value: bytes, delivered: partial[None]) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition, delivered)
                return
            except BufferError:
                self._producer.poll(_FULL_WAIT_S)
            except KafkaException as error:
                raise _refused(topic, error.args[0]) from error


def _delivered(receipt: Receipt, error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise _refused(message.topic() or "?", error)
    receipt.acknowledged += 1


def _refused(topic: str, error: KafkaError) -> Fatal:
    return Fatal(
        Exit.RESTART,
        f"A record for {topic} was not accepted: {error.str()}. Nothing of its epoch is acknowledged. "
        "If it is too large, raise the topic's max.message.bytes; if brokers are away, starting again is enough.",
    )

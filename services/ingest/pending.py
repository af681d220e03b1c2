"""One poll on its way: what was sent of it, what is acknowledged, and the offsets that may be committed then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message

from services.ingest.batcher import RawPartition
from services.runtime.lifecycle import end_now


@dataclass(slots=True)
class Pending:
    """The messages made from one poll."""

    positions: Mapping[RawPartition, int]
    metadata: Mapping[RawPartition, str]
    sent: int = 0
    delivered_count: int = 0

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Delivery report. A message that failed ends the process: a later one may have been taken, and only a re-read puts that right."""
        if error is not None:
            end_now("ingest", f"{message.topic()}/{message.partition()} did not take a message: {error.str()}. The next start reads it again.")
        self.delivered_count += 1

    def acknowledged(self) -> bool:
        """Has the broker everything of this poll?"""
        return self.delivered_count == self.sent

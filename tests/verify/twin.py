"""The ports of ingest in memory: a log, what was committed, and what was sent. A restart is a new `ingest()` on the same twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from services.events import topics
from services.events.batches import Batch, decode_batch
from services.ingest.batcher import RawPartition
from services.ingest.ingest import Ingest
from services.ingest.ports import Delivered, Mark, Owner, Ports, RawValue, Run, Start
from services.runtime.clock import Clock
from services.runtime.settings import IngestSettings, Settings

RAW: RawPartition = (0, 0)
STILL = Clock(wall_ms=lambda: 1_775_000_000_000, monotonic_s=lambda: 1_000.0)


@dataclass
class Twin:
    """One raw partition."""

    records: list[RawValue] = field(default_factory=list)
    log_id: str = "first"
    mark: Mark | None = None
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    refuses_to_send: bool = False
    clock: Clock = STILL
    _owner: Owner | None = None
    _position: int | None = None

    def ingest(self, settings: IngestSettings | None = None) -> Ingest:
        self._position = None
        counts = dict.fromkeys((topics.BATCHES, *topics.FACT_TOPICS), 2) | dict.fromkeys(topics.RAW_TOPICS, 1)
        return Ingest(Settings(ingest=settings or IngestSettings()), counts, Ports(self, self, self, self.clock, self._end))

    def batches(self) -> list[Batch]:
        return [decode_batch(value) for topic, value in self.sent if topic == topics.BATCHES]

    def of_topic(self, topic: str) -> list[bytes]:
        return [value for name, value in self.sent if name == topic]

    def join(self, owner: Owner) -> None:
        self._owner = owner

    def read(self, records_max: int, wait_s: float) -> Sequence[Run]:
        assert self._owner is not None
        if self._position is None:
            start = Start(self.mark.offset if self.mark else None, self.mark.metadata if self.mark else "", 0, self.log_id)
            self._position = self._owner.assigned({RAW: start})[RAW]
        found = self.records[self._position : self._position + records_max]
        self._position += len(found)
        return [Run(RAW, found)] if found else []

    def end_of(self, raw: RawPartition) -> int | None:
        return len(self.records)

    def close(self) -> None:
        assert self._owner is not None
        self._owner.revoked([RAW])

    def commit(self, marks: Mapping[RawPartition, Mark], *, wait: bool) -> None:
        self.mark = marks[RAW]

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes, delivered: Delivered) -> None:
        if self.refuses_to_send:
            raise OSError("the network is gone")
        self.sent.append((topic, value))
        delivered(None)

    def serve(self, wait_s: float) -> None: ...

    def flush(self, wait_s: float) -> bool:
        return True

    @staticmethod
    def _end(reason: str) -> NoReturn:
        raise AssertionError(reason)

"""Traffic under which the faults happen: the lines of a file, at a rate, again and again until the broker has them.

Rule: a line's log time is the one it would have in the file (E7), however often it is sent: what must come out is what `quarterhour meter` says of the file.
Limit: a chunk is sent as a whole again when any of it failed; the copies are duplicates, which change nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from confluent_kafka import KafkaException, Producer

from services.cli.heads import read_head
from services.runtime.clock import wall_ms
from services.runtime.kafka import client_config
from services.runtime.logtime import LogTime
from services.runtime.settings import Settings

CHUNK_S: Final = 0.5
FLUSH_S: Final = 5.0
DELIVERY_S: Final = 5.0


class Record(NamedTuple):
    topic: str
    key: str | None
    line: bytes
    log_ms: int


class Load:
    """A thread that sends while the `with` block runs; `finish` sends the rest at once and waits for it."""

    def __init__(self, settings: Settings, lines: Sequence[bytes], rate: float) -> None:
        self._settings = settings
        self._records = _records(lines)
        self._chunk = max(1, int(rate * CHUNK_S))
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._hurry = threading.Event()
        self._give_up = threading.Event()
        self.sent = 0
        self.sent_again = 0

    @property
    def total(self) -> int:
        return len(self._records)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._give_up.set()
        self._thread.join(60)

    def finish(self, timeout_s: float) -> None:
        self._hurry.set()
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), f"{self.total - self.sent} of {self.total} events were not written within {timeout_s:g} s"

    def _run(self) -> None:
        producer = self._producer()
        while self.sent < self.total and not self._give_up.is_set():
            began_at = time.monotonic()
            size = self._chunk if not self._hurry.is_set() else 20_000
            some = self._records[self.sent : self.sent + size]
            while not _delivered(producer, some) and not self._give_up.is_set():
                # A new producer: an idempotent one that gave a record up may not go on.
                self.sent_again += len(some)
                producer = self._producer()
            self.sent += len(some)
            if not self._hurry.is_set():
                self._hurry.wait(max(0.0, began_at + CHUNK_S - time.monotonic()))

    def _producer(self) -> Producer:
        own = {"enable.idempotence": True, "acks": "all", "linger.ms": 5, "compression.type": "lz4", "message.timeout.ms": int(DELIVERY_S * 1000)}
        return Producer(client_config(self._settings.kafka, "ERROR") | own)


def _delivered(producer: Producer, some: Sequence[Record]) -> bool:
    failures: list[object] = []

    def report(error: object, _message: object) -> None:
        if error is not None:
            failures.append(error)

    try:
        for record in some:
            producer.produce(record.topic, record.line, record.key, timestamp=record.log_ms, on_delivery=report)
            producer.poll(0)
    except (BufferError, KafkaException) as error:
        failures.append(error)
    return producer.flush(DELIVERY_S + FLUSH_S) == 0 and not failures


def _records(lines: Sequence[bytes]) -> list[Record]:
    log_time = LogTime(wall_ms)
    records = []
    for line in lines:
        topic, key, time_ms = read_head(line)
        records.append(Record(topic, key, line, log_time.of(time_ms)))
    return records

"""The sink service: facts in, rows out. The shell around `rows` and `waiting`.

Order of effects: insert the rows; only then commit the offsets behind them. A crash between the two inserts the same rows again, which FINAL folds.
While ClickHouse does not take rows the partitions are paused and polling goes on, so that the group keeps this member; nothing is dropped.
A record that is no fact ends the process with exit code 70: we wrote it ourselves, so something is badly wrong.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from services.events import topics
from services.runtime.errors import ServiceError, Unavailable
from services.runtime.kafka import client_config, verify_topics
from services.runtime.lifecycle import EXIT_UNEXPECTED, Service, run_service
from services.runtime.settings import Settings
from services.sink import metrics
from services.sink.clickhouse_store import ClickHouseStore
from services.sink.rows import TABLES, Row, Unreadable, read_row, to_columns
from services.sink.store import FactStore, StoreAway
from services.sink.waiting import Waiting

NAME: Final = "sink"
_RETRY_S_MIN: Final = 0.5
_POLL_S: Final = 0.1

_log = structlog.get_logger(__name__)


class NoFact(ServiceError):
    """A record of an aggregate topic that is no fact."""

    exit_code = EXIT_UNEXPECTED


def run() -> int:
    """Work until SIGTERM or SIGINT, with the settings of the environment. Gives the exit code."""
    return run_service(NAME, serve)


def serve(settings: Settings, service: Service) -> None:
    """The body of the service."""
    verify_topics(settings)
    sink = Sink(settings, ClickHouseStore(settings.clickhouse))
    service.ready_when(sink.checks)
    service.tell_status(sink.status)
    try:
        while not service.stopping.is_set():
            sink.turn()
        sink.flush()
    finally:
        sink.close()


class Sink:
    """One consumer of the aggregate topics and one store."""

    def __init__(self, settings: Settings, store: FactStore) -> None:
        self._settings = settings.sink
        self._store = store
        self._waiting = Waiting()
        self._joined = False
        self._away: str | None = None
        self._retry_s = _RETRY_S_MIN
        self._retry_at = self._committed_at = monotonic()
        self._consumer = Consumer(_consumer_config(settings))
        self._consumer.subscribe(list(topics.FACT_TOPICS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def turn(self) -> None:
        """Read what is there, and insert when it is time."""
        if self._away is not None:
            self._hold()
            return
        # One at a time: `consume` may hand out records of a partition that it just gave away, `poll` does not.
        message = self._consumer.poll(self._wait_s())
        while message is not None:
            self._add(message)
            message = None if self._due() else self._consumer.poll(0)
        if self._due():
            self.flush()
        elif self._waiting.inserted and monotonic() - self._committed_at > self._settings.flush_ms / 1000:
            self._commit()

    def flush(self) -> None:
        """Insert everything that waits, then commit. A store that is away leaves all as it is."""
        try:
            for topic, rows in self._waiting.by_topic().items():
                self._insert(topic, rows)
                self._waiting.topic_done(topic)
        except StoreAway as error:
            self._store_is_away(str(error))
        else:
            self._store_is_back()
        metrics.WAITING_ROWS.set(self._waiting.count)
        self._commit()

    def close(self) -> None:
        """Leave the group. Rows that still wait are read again by the next owner."""
        self._consumer.close()
        self._store.close()

    def checks(self) -> dict[str, bool]:
        """For /readyz."""
        return {"joined": self._joined, "clickhouse": self._away is None}

    def status(self) -> dict[str, object]:
        """For /status.json."""
        return {"waiting_rows": self._waiting.count, "waiting_bytes": self._waiting.size_bytes, "clickhouse_away": self._away}

    def _add(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            raise Unavailable(f"Kafka does not hand out facts: {error.str()}. The next start reads on from the last commit.")
        topic, partition, offset, value = message.topic(), message.partition(), message.offset(), message.value()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        try:
            row = read_row(topic, value)
        except Unreadable as reason:
            raise NoFact(
                f"{topic}/{partition}/{offset} is no fact: {reason}. Nothing was lost, and the sink cannot go on: find out who wrote it "
                "(another version of Quarterhour?), then run that version, or move the group's offset past the record."
            ) from reason
        self._waiting.add((topic, partition), offset, row, len(value or b""), monotonic())

    def _wait_s(self) -> float:
        """Until the oldest row must go, but never long: a stop must be seen soon."""
        if not self._waiting.count:
            return _POLL_S
        return max(0.0, min(_POLL_S, self._waiting.since_s + self._settings.flush_ms / 1000 - monotonic()))

    def _due(self) -> bool:
        waiting, limits = self._waiting, self._settings
        if waiting.count >= limits.flush_rows or waiting.size_bytes >= limits.flush_bytes:
            return True
        return waiting.count > 0 and monotonic() - waiting.since_s >= limits.flush_ms / 1000

    def _insert(self, topic: str, rows: list[Row]) -> None:
        table = TABLES[topic]
        with metrics.INSERT_SECONDS.time():
            self._store.insert(table, to_columns(table, rows))
        metrics.ROWS.labels(table.name).inc(len(rows))

    def _store_is_away(self, reason: str) -> None:
        self._away = reason
        self._retry_at = monotonic() + self._retry_s
        _log.warning("ClickHouse does not take rows", reason=reason, rows=self._waiting.count, retry_s=self._retry_s)
        self._retry_s = min(self._retry_s * 2, self._settings.retry_s_max)
        metrics.FAILED_INSERTS.inc()
        metrics.STORE_AWAY.set(1)

    def _store_is_back(self) -> None:
        if self._away is None:
            return
        _log.info("ClickHouse takes rows again")
        self._away, self._retry_s = None, _RETRY_S_MIN
        metrics.STORE_AWAY.set(0)
        self._consumer.resume(self._consumer.assignment())

    def _hold(self) -> None:
        """Keep polling without reading on, and try again when it is time. Partitions may have come since the last poll, so all are paused anew."""
        self._consumer.pause(self._consumer.assignment())
        message = self._consumer.poll(_POLL_S)
        if message is not None:
            self._add(message)
        if monotonic() >= self._retry_at:
            self.flush()

    def _commit(self) -> None:
        if not self._waiting.inserted:
            return
        self._committed_at = monotonic()
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._waiting.inserted.items()]
        try:
            done = self._consumer.commit(offsets=offsets, asynchronous=False) or []
        except KafkaException as error:
            # The rows are in: at worst the next owner inserts them again.
            metrics.FAILED_COMMITS.inc()
            _log.warning("offsets were not committed, trying again", reason=error.args[0].str())
            return
        for committed in done:
            if committed.error is None:
                self._waiting.inserted.pop((committed.topic, committed.partition), None)

    def _assigned(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._joined = True
        _log.info("partitions assigned", count=len(partitions))

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._waiting.forget([(found.topic, found.partition) for found in partitions])
        _log.info("partitions taken away", count=len(partitions))


def _consumer_config(settings: Settings) -> dict[str, Any]:
    return client_config(settings.kafka, settings.log_level) | {
        "group.id": settings.sink.group_id,
        "session.timeout.ms": settings.sink.session_timeout_ms,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": 65_536,
    }

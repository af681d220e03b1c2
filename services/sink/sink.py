"""The shell around `rows` and `waiting`: what is read, inserted, committed. No Kafka and no ClickHouse here: see `source` and `store`.

Order of effects: insert the rows; only then commit the offsets behind them. A crash between the two inserts the same rows again, which FINAL folds.
While ClickHouse does not take rows the partitions are held and asking goes on, so that the group keeps this member; nothing is dropped.
A record that is no fact ends the process with exit code 70: we wrote it ourselves, so something is badly wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.runtime.errors import ServiceError
from services.runtime.lifecycle import EXIT_UNEXPECTED
from services.runtime.settings import SinkSettings
from services.sink import metrics
from services.sink.arrow import arrow_stream
from services.sink.rows import TABLES, Facts, Unreadable
from services.sink.source import FactRecord, FactSource, NotCommitted
from services.sink.store import FactStore, StoreAway
from services.sink.waiting import Partition, Waiting

_RETRY_S_MIN: Final = 0.5
_POLL_S: Final = 0.1

_log = structlog.get_logger(__name__)


class NoFact(ServiceError):
    """A record of an aggregate topic that is no fact."""

    exit_code = EXIT_UNEXPECTED


class Sink:
    """One member of the group of the aggregate topics and one store. `monotonic_s`: for pacing."""

    def __init__(self, settings: SinkSettings, source: FactSource, store: FactStore, monotonic_s: Callable[[], float]) -> None:
        self._settings, self._source, self._store, self._now_s = settings, source, store, monotonic_s
        self._waiting = Waiting()
        self._joined = False
        self._away: str | None = None
        self._retry_s = _RETRY_S_MIN
        self._retry_at = self._committed_at = monotonic_s()
        source.join(self)

    def turn(self) -> None:
        """Read what is there, and insert when it is time."""
        if self._away is not None:
            self._hold()
            return
        record = self._source.next(self._wait_s())
        while record is not None:
            self._add(record)
            record = None if self._due() else self._source.next(0)
        if self._due():
            self.flush()
        elif self._waiting.inserted and self._now_s() - self._committed_at > self._settings.flush_ms / 1000:
            self._commit()

    def flush(self) -> None:
        """Insert everything that waits, then commit. A store that is away leaves all as it is."""
        try:
            for topic, values in self._waiting.by_topic().items():
                self._insert(topic, values)
                self._waiting.topic_done(topic)
        except StoreAway as error:
            self._store_is_away(str(error))
        else:
            self._store_is_back()
        metrics.WAITING_ROWS.set(self._waiting.count)
        self._commit()

    def close(self) -> None:
        """Leave the group. Rows that still wait are read again by the next owner."""
        self._source.close()
        self._store.close()

    def checks(self) -> dict[str, bool]:
        """For /readyz."""
        return {"joined": self._joined, "clickhouse": self._away is None}

    def status(self) -> dict[str, object]:
        """For /status.json."""
        return {"waiting_rows": self._waiting.count, "waiting_bytes": self._waiting.size_bytes, "clickhouse_away": self._away}

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """They are read from the committed offsets on."""
        self._joined = True
        _log.info("partitions assigned", count=len(partitions))

    def taken_away(self, partitions: Sequence[Partition]) -> None:
        """Rows of them that wait are forgotten: their next owner reads them again."""
        self._waiting.forget(partitions)
        _log.info("partitions taken away", count=len(partitions))

    def _add(self, record: FactRecord) -> None:
        self._waiting.add((record.topic, record.partition), record.offset, record.value, self._now_s())

    def _wait_s(self) -> float:
        """Until the oldest row must go, but never long: a stop must be seen soon."""
        if not self._waiting.count:
            return _POLL_S
        return max(0.0, min(_POLL_S, self._waiting.since_s + self._settings.flush_ms / 1000 - self._now_s()))

    def _due(self) -> bool:
        waiting, limits = self._waiting, self._settings
        if waiting.count >= limits.flush_rows or waiting.size_bytes >= limits.flush_bytes:
            return True
        return waiting.count > 0 and self._now_s() - waiting.since_s >= limits.flush_ms / 1000

    def _insert(self, topic: str, values: list[bytes | None]) -> None:
        table = TABLES[topic]
        try:
            with metrics.INSERT_SECONDS.time():
                self._store.insert(table, Facts(topic, values))
        except Unreadable as reason:
            raise self._no_fact(topic) from reason
        metrics.ROWS.labels(table.name).inc(len(values))

    def _no_fact(self, topic: str) -> NoFact:
        """One of those that wait is none: the first such, by looking at each."""
        for partition, offset, value in self._waiting.places(topic):
            try:
                arrow_stream(TABLES[topic], Facts(topic, [value]))
            except Unreadable as reason:
                return NoFact(
                    f"{topic}/{partition}/{offset} is no fact: {reason}. Nothing was lost, and the sink cannot go on: find out who wrote it "
                    "(another version of Quarterhour?), then run that version, or move the group's offset past the record."
                )
        raise AssertionError("what cannot be read together cannot be read one by one")

    def _store_is_away(self, reason: str) -> None:
        self._away = reason
        self._retry_at = self._now_s() + self._retry_s
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
        self._source.hold(held=False)

    def _hold(self) -> None:
        """Keep asking without reading on, and try again when it is time. Partitions may have come since the last time, so all are held anew."""
        self._source.hold(held=True)
        record = self._source.next(_POLL_S)
        if record is not None:
            self._add(record)
        if self._now_s() >= self._retry_at:
            self.flush()

    def _commit(self) -> None:
        if not self._waiting.inserted:
            return
        self._committed_at = self._now_s()
        try:
            done = self._source.commit(self._waiting.inserted)
        except NotCommitted as error:
            # The rows are in: at worst the next owner inserts them again.
            metrics.FAILED_COMMITS.inc()
            _log.warning("offsets were not committed, trying again", reason=str(error))
            return
        for partition in done:
            self._waiting.inserted.pop(partition, None)

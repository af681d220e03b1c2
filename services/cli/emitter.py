"""The producer behind `emit` and `simulate`: lines to the raw topics, each written once or reported.

Rule: a record's log time is that of E7, its key the subject. Lines of one partition stay in order. A line that is too large is reported and the rest goes on;
when Kafka fails, the writing stops, for writing the same events again changes nothing.
Limit: what waits for the broker takes at most 256 MiB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from services.cli.heads import read_head
from services.events.topics import RAW_TOPICS
from services.runtime.errors import Unavailable
from services.runtime.kafka import RAW_MESSAGE_BYTES_MAX, client_config, partition_counts
from services.runtime.logtime import LogTime
from services.runtime.settings import KafkaSettings

PROBLEMS_MAX: Final = 5
_DELIVERY_MS_MAX: Final = 120_000
_LONG_LINE_BYTES: Final = 900_000
"""Brokers take about 1 MB by default: only lines near that get a delivery report of their own, which knows the line number."""


@dataclass(slots=True)
class Outcome:
    """What became of the lines. `problems` names the first few that were not delivered."""

    sent: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)
    stopped: str = ""
    """Why not all lines were read; empty: they were."""

    def fail(self, problem: str) -> None:
        self.failed += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


class Emitter:
    """An idempotent producer of the raw topics.

    Raises `Unavailable` when no broker answers or the raw topics are missing.
    """

    def __init__(self, kafka: KafkaSettings, clock_ms: Callable[[], int]) -> None:
        _require_topics(kafka)
        self.outcome = Outcome()
        self._producer = Producer(_producer_config(kafka))
        self._produce = self._producer.produce
        self._log_time_ms = LogTime(clock_ms).of

    def send(self, line: bytes, number: int) -> None:
        """Queue line `number`; waits while the queue is full. Whether it was delivered shows at a later `look` or at `finish`."""
        topic, key, time_ms = read_head(line)
        log_time_ms = self._log_time_ms(time_ms)
        report = self._report if len(line) < _LONG_LINE_BYTES else partial(self._report, number=number)
        self.outcome.sent += 1
        while True:
            try:
                return self._produce(topic, line, key, timestamp=log_time_ms, on_delivery=report)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                return self._refused(error.args[0], number)

    def look(self) -> None:
        """Take the delivery reports that have come in."""
        self._producer.poll(0)

    def finish(self) -> Outcome:
        """Wait until every line is delivered or reported."""
        self._producer.flush()
        return self.outcome

    def _report(self, error: KafkaError | None, _message: Message, number: int | None = None) -> None:
        if error is not None:
            self._refused(error, number)

    def _refused(self, error: KafkaError, number: int | None) -> None:
        where = "a line" if number is None else f"line {number}"
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self.outcome.fail(f"{where} is larger than the broker takes (`max.message.bytes` of its topic)")
        else:
            self.outcome.fail(f"{where}: {error.str()}")
            self.outcome.stopped = self.outcome.stopped or f"Kafka does not take records ({error.str()})"


def _require_topics(kafka: KafkaSettings) -> None:
    missing = sorted(set(RAW_TOPICS) - partition_counts(kafka).keys())
    if missing:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} has no topic {', '.join(missing)}: run `quarterhour topics create`.")


def _producer_config(kafka: KafkaSettings) -> dict[str, Any]:
    return client_config(kafka, "ERROR") | {
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        # Larger sets cost the broker and us less for each event; nobody waits for one of them.
        "linger.ms": 50,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 256 * 1024,
        # The broker judges the size, so that a line is refused for the topic's limit and no other.
        "message.max.bytes": RAW_MESSAGE_BYTES_MAX,
        # No set is larger than what brokers take by default: only a single large line can be refused for its size.
        "batch.size": _LONG_LINE_BYTES,
        "message.timeout.ms": _DELIVERY_MS_MAX,
        # A report for every line would cost 5 µs an event (measured: 204,000 events/s without, 90,000 with).
        "delivery.report.only.error": True,
    }

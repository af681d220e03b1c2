"""A real broker with the product's topics, and the commands as people call them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner, Result

from services.cli import emit, simulate, wait
from services.cli.offsets import Offsets
from services.runtime.kafka import client_config
from services.runtime.settings import KafkaSettings, Settings, environment_of
from tests.parts.own import make_topics

Run = Callable[..., Result]


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    log_ms: int
    key: bytes | None
    value: bytes


class Log:
    """The topics of one broker, as a reader of all of them sees them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._offsets = Offsets(settings.kafka)

    def read(self, *topics: str) -> list[Record]:
        """Every record of these topics, by topic, partition and offset."""
        held = self._offsets.held(topics)
        reader = self._consumer("test-reader")
        reader.assign([TopicPartition(topic, partition, offsets.start) for (topic, partition), offsets in held.items()])
        records: list[Record] = []
        while len(records) < sum(map(len, held.values())):
            records += map(_record, reader.consume(10_000, timeout=0.1))
        reader.close()
        return sorted(records, key=lambda record: (record.topic, record.partition, record.offset))

    def commit(self, group: str, *topics: str) -> None:
        """As the room would that has read everything."""
        ends = [TopicPartition(topic, partition, offsets.stop) for (topic, partition), offsets in self._offsets.held(topics).items()]
        reader = self._consumer(group)
        reader.commit(offsets=ends, asynchronous=False)
        reader.close()

    def _consumer(self, group: str) -> Consumer:
        return Consumer(client_config(self.settings.kafka) | {"group.id": group, "enable.auto.commit": False})


def _record(message: Any) -> Record:
    return Record(message.topic(), message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value())


@pytest.fixture
def log(kafka: KafkaSettings) -> Iterator[Log]:
    """Empty topics and groups without a commit: all are made anew for each test."""
    few = {"raw_partitions": 2, "batches_partitions": 1, "facts_partitions": 1}
    settings = Settings(kafka=kafka.model_copy(update=few))
    admin = AdminClient(client_config(settings.kafka))
    make_topics(settings)
    yield Log(settings)
    for group in admin.delete_consumer_groups([settings.ingest.group_id, settings.processors.app_id, settings.sink.group_id]).values():
        group.exception()  # A test that committed nothing has no group.


@pytest.fixture
def run(log: Log, tmp_path: Path) -> Run:
    """Run a command against the broker: `run("emit", file)`."""
    app = typer.Typer()
    for module in (emit, simulate, wait):
        module.register(app)

    def call(*arguments: object, stdin: bytes | None = None) -> Result:
        environment = environment_of(log.settings)
        return CliRunner().invoke(app, [*map(str, arguments), "--data-dir", str(tmp_path / "no-stack")], input=stdin, env=environment)

    return call

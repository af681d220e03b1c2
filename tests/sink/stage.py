"""A broker, a ClickHouse and sinks as processes; each test has topics, a consumer group and a database of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # the package exports it without saying so

from services.events import topics
from services.events.facts import FACT_ID_FIELDS
from services.events.partitioning import fact_partition
from services.runtime.clickhouse import connect
from services.runtime.committed import Committed
from services.runtime.kafka import client_config
from services.runtime.migrations import ClickHouseStore, pending
from services.runtime.settings import ClickHouseSettings, KafkaSettings, MetricsSettings, Settings, SinkSettings, environment_of
from tests.parts.own import make_topics
from tests.parts.ports import free_port

Fact = dict[str, Any]

RUN = "import sys; from services.sink.main import run; sys.exit(run())"
DIES_BEFORE_COMMIT = f"""
import os, signal
from services.sink.sink import Sink
def commit(self):
    if self._waiting.inserted: os.kill(os.getpid(), signal.SIGKILL)
Sink._commit = commit
{RUN}
"""
LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass
class Stage:
    kafka: KafkaSettings
    clickhouse: ClickHouseSettings
    directory: Path
    metrics_port: int = field(default_factory=free_port)
    settings: Settings = field(init=False)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _client: Client | None = None
    _has_topics: bool = False

    def __post_init__(self) -> None:
        name = f"u{uuid4().hex[:8]}"
        self.settings = Settings(
            kafka=self.kafka,
            clickhouse=self.clickhouse.model_copy(update={"database": name}),
            sink=SinkSettings(group_id=name, flush_ms=50, session_timeout_ms=6_000, retry_s_max=1.0),
            metrics=MetricsSettings(port=self.metrics_port),
        )
        self.admin = AdminClient(client_config(self.kafka))
        self._producer = Producer(client_config(self.kafka) | {"enable.idempotence": True})
        self._committed = Committed(self.settings.kafka)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def migrate(self) -> None:
        server = connect(self.settings.clickhouse, database="")
        server.command(f"CREATE DATABASE {self.settings.clickhouse.database}")
        server.close()
        store = ClickHouseStore(self.client)
        store.prepare()
        for migration in pending(store):
            store.apply(migration)

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = connect(self.settings.clickhouse)
        return self._client

    def send(self, topic: str, *facts: Fact) -> None:
        for fact in facts:
            self.send_bytes(topic, json.dumps(fact, ensure_ascii=False).encode(), fact[FACT_ID_FIELDS[topic]], fact["workspace_id"])
        self._producer.flush(20)

    def send_bytes(self, topic: str, value: bytes | None, key: str = "k", workspace: str = "w") -> None:
        self._make_topics()
        self._producer.produce(topic, value, key, partition=fact_partition(workspace, self.settings.kafka.facts_partitions))
        self._producer.poll(0)

    def start(self, script: str = RUN) -> subprocess.Popen[bytes]:
        """A sink; only the first of a test has a side server."""
        self._make_topics()
        environment = environment_of(self.settings) | ({"QUARTERHOUR_METRICS__PORT": "0"} if self.processes else {})
        with self.log.open("ab") as log:
            process = subprocess.Popen((sys.executable, "-c", script), env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    @property
    def log(self) -> Path:
        return self.directory / "sink.log"

    def until(self, what: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.1)

    def until_committed(self) -> None:
        """The group has committed all that the topics hold."""
        self.until(lambda: sum(self.committed().values()) == self.held())

    def committed(self) -> dict[tuple[str, int], int]:
        return self._committed.of(self.settings.sink.group_id, self._places())

    def held(self) -> int:
        places = [TopicPartition(*place) for place in self._places()]
        return sum(future.result().offset for future in self.admin.list_offsets(dict.fromkeys(places, LATEST)).values())

    def _places(self) -> list[tuple[str, int]]:
        return [(topic, partition) for topic in topics.FACT_TOPICS for partition in range(self.settings.kafka.facts_partitions)]

    def _make_topics(self) -> None:
        """Only for tests that use Kafka."""
        if not self._has_topics:
            make_topics(self.settings)
            self._has_topics = True

    def ready(self) -> dict[str, bool]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/readyz", timeout=5) as answer:
                return dict(json.loads(answer.read())["checks"])
        except urllib.error.HTTPError as error:
            return dict(json.loads(error.read())["checks"])
        except OSError:
            return {}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self._committed.close()
        server = connect(self.clickhouse, database="")
        server.command(f"DROP DATABASE IF EXISTS {self.settings.clickhouse.database} SYNC")
        server.close()

"""A broker, a ClickHouse and sinks as processes; each test has topics, a consumer group and a database of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from services.events import topics
from services.events.facts import FACT_ID_FIELDS
from services.events.partitioning import fact_partition
from services.runtime.clickhouse import connect
from services.runtime.committed import Committed
from services.runtime.kafka import create_topics, topic_specs
from services.runtime.migrations import ClickHouseStore, pending
from services.runtime.settings import ClickHouseSettings, KafkaSettings, MetricsSettings, Settings, SinkSettings, environment_of

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
METRICS_PORT = 21_155
LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass
class Stage:
    servers: str
    clickhouse_url: str
    directory: Path
    settings: Settings = field(init=False)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _client: Client | None = None

    def __post_init__(self) -> None:
        name = f"u{uuid4().hex[:8]}"
        self.settings = Settings(
            kafka=KafkaSettings(bootstrap_servers=self.servers),
            clickhouse=ClickHouseSettings(url=self.clickhouse_url, database=name),
            sink=SinkSettings(group_id=name, flush_ms=50, session_timeout_ms=6_000, retry_s_max=1.0),
            metrics=MetricsSettings(port=METRICS_PORT),
        )
        self.admin = AdminClient({"bootstrap.servers": self.servers})
        self._producer = Producer({"bootstrap.servers": self.servers, "enable.idempotence": True})
        self._committed = Committed(self.settings.kafka)
        self._make_topics()

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
        self._producer.produce(topic, value, key, partition=fact_partition(workspace, self.settings.kafka.facts_partitions))
        self._producer.poll(0)

    def start(self, script: str = RUN) -> subprocess.Popen[bytes]:
        """A sink; only the first of a test has a side server."""
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

    def ready(self) -> dict[str, bool]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/readyz", timeout=5) as answer:
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

    def _make_topics(self) -> None:
        self._delete(spec.name for spec in topic_specs(self.settings))
        create_topics(self.settings, lambda _line: None)

    def _delete(self, names: Iterable[str]) -> None:
        present = sorted(set(names) & set(self.admin.list_topics(timeout=10).topics))
        for future in self.admin.delete_topics(present).values() if present else ():
            future.result(10)
        while set(self.admin.list_topics(timeout=10).topics) & set(present):
            time.sleep(0.05)

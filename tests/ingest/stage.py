"""Topics of their own making on a real broker, ingest as a process, and what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from services.events.batches import Range, decode_batch
from services.events.topics import BATCHES, LEDGER, RAW_TOPICS, REJECTED
from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from services.runtime.committed import Committed
from services.runtime.kafka import client_config
from services.runtime.settings import PREFIX, IngestSettings, KafkaSettings, Settings, environment_of
from tests.meters.driver import Facts, folded
from tests.parts.own import make_topics

RUN = "import sys; from services.ingest.main import run; sys.exit(run())"
RAW_PARTITIONS = 2
WAIT_S = 60.0

Place = tuple[str, int]


@dataclass
class Stage:
    kafka: KafkaSettings
    directory: Path
    settings: Settings = field(init=False)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        kafka = self.kafka.model_copy(update={"raw_partitions": RAW_PARTITIONS, "batches_partitions": 2, "facts_partitions": 1})
        self.settings = Settings(kafka=kafka, ingest=IngestSettings(poll_ms=20, tick_s=0.5, session_timeout_ms=6_000))
        make_topics(self.settings)
        self.admin = AdminClient(client_config(kafka, "ERROR"))
        for group in self.admin.delete_consumer_groups([self.settings.ingest_group]).values():
            group.exception()  # The first test has none.
        self._producer = Producer(client_config(kafka) | {"enable.idempotence": True, "message.max.bytes": 8 * 1024 * 1024})
        self._committed = Committed(kafka)

    def write(self, place: Place, values: Sequence[bytes | None], log_ms: int) -> None:
        """Records into a raw partition, all of one log time."""
        for value in values:
            self._producer.produce(place[0], value, partition=place[1], timestamp=log_ms)
            self._producer.poll(0)
        assert self._producer.flush(30) == 0

    def start(self, **changes: Any) -> subprocess.Popen[bytes]:
        """An ingest; `changes` are settings of its group."""
        settings = self.settings.model_copy(update={"ingest": self.settings.ingest.model_copy(update=changes)})
        bare = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
        with (self.directory / f"ingest-{len(self.running)}.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-c", RUN], env=bare | environment_of(settings), stdout=log, stderr=log)
        self.running.append(process)
        return process

    @contextmanager
    def ingest(self, **changes: Any) -> Iterator[subprocess.Popen[bytes]]:
        """An ingest that ends cleanly."""
        process = self.start(**changes)
        yield process
        self.stop(process)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        assert process.wait(30) == 0, self.logs()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait(30)

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                self.kill(process)
        self._committed.close()

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.directory.glob("ingest-*.log")))

    def wait_until_committed(self, group_id: str = "") -> None:
        """The group has committed the end of every raw partition that holds a record."""
        group = group_id or self.settings.ingest_group
        ends = {place: end for place, end in self._ends(RAW_TOPICS).items() if end}
        deadline = time.monotonic() + WAIT_S
        while (committed := self.committed(group)) != ends:
            assert time.monotonic() < deadline, f"committed {committed} of {ends}\n{self.logs()}"
            assert self.running[-1].poll() is None, self.logs()
            time.sleep(0.05)

    def committed(self, group_id: str) -> dict[Place, int]:
        """Of every raw partition with more than nothing."""
        found = self._committed.of(group_id, [(topic, number) for topic in RAW_TOPICS for number in range(RAW_PARTITIONS)])
        return {place: offset for place, offset in found.items() if offset > 0}

    def ranges(self) -> dict[Place, list[Range]]:
        """What the messages of the first batches partition say they cover, of each raw partition, without the empty ones."""
        found: dict[Place, list[Range]] = {}
        for partition, _, value in self.read(BATCHES):
            if partition == 0:
                for range_ in decode_batch(value).ranges:
                    if range_.start < range_.stop:
                        found.setdefault((RAW_TOPICS[range_.topic], range_.partition), []).append(range_)
        return found

    def metered(self) -> Facts:
        """What processors make of the messages."""
        settings = self.settings
        partitions = settings.kafka.batches_partitions
        folds = [PartitionFold(Rules(), number, settings.processors.pages, partitions, 1) for number in range(partitions)]
        published = []
        for partition, offset, value in self.read(BATCHES):
            published += folds[partition].apply(value, offset)
        return folded(published)

    def rejected(self) -> list[dict[str, Any]]:
        """By origin; the same origin twice must be the same fact."""
        facts = {value for _, _, value in self.read(REJECTED)}
        return sorted(map(json.loads, facts), key=lambda fact: (fact["source_topic"], fact["source_partition"], fact["source_offset"]))

    def ledger(self) -> dict[Place, dict[str, Any]]:
        """The newest line of each raw partition that holds a record."""
        newest: dict[Place, dict[str, Any]] = {}
        for line in (json.loads(value) for _, _, value in self.read(LEDGER)):
            place = (line["source_topic"], line["source_partition"])
            if line["read"] and (place not in newest or line["revision"] >= newest[place]["revision"]):
                newest[place] = line
        return newest

    def read(self, topic: str) -> list[tuple[int, int, bytes]]:
        """(partition, offset, value) of all that a topic holds now."""
        held = {place: offsets for place, offsets in self._held([topic]).items() if offsets}
        left = {place: offsets.stop for place, offsets in held.items()}
        found: list[tuple[int, int, bytes]] = []
        consumer = Consumer(client_config(self.settings.kafka) | {"group.id": "reader", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(*place, offsets.start) for place, offsets in held.items()])
            while left:
                for message in consumer.consume(1_000, 0.1):
                    partition, offset = _sure(message.partition()), _sure(message.offset())
                    found.append((partition, offset, message.value() or b""))
                    if offset + 1 >= left.get((topic, partition), 0):
                        left.pop((topic, partition), None)
        finally:
            consumer.close()
        return found

    def _ends(self, names: Sequence[str]) -> dict[Place, int]:
        return {place: offsets.stop for place, offsets in self._held(names).items()}

    def _held(self, names: Sequence[str]) -> dict[Place, range]:
        """The offsets that each partition holds now."""
        consumer = Consumer(client_config(self.settings.kafka) | {"group.id": "reader"})
        try:
            listed = consumer.list_topics(timeout=10).topics
            places = [(name, number) for name in names for number in listed[name].partitions]
            return {place: range(*consumer.get_watermark_offsets(TopicPartition(*place), timeout=10)) for place in places}
        finally:
            consumer.close()


def _sure(value: int | None) -> int:
    assert value is not None
    return value

"""Topics, processors as processes, and what they published, on a real broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType  # type: ignore[attr-defined]

from services.events import topics
from services.processors.state import partition_of
from services.runtime.committed import Committed
from services.runtime.kafka import client_config, create_topics, state_topic
from services.runtime.settings import PREFIX, KafkaSettings, ProcessorSettings, Settings, environment_of
from tests.parts.own import delete_topics, make_topics

PARTITIONS = 4
GROUP_SESSION_S = 6.0


@dataclass
class Process:
    """A running worker."""

    popen: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self, timeout_s: float = 120.0) -> int:
        return self.popen.wait(timeout_s)

    def text(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Stage:
    """One consumer group on topics of its own making."""

    kafka: KafkaSettings
    app_id: str
    directory: Path
    settings: Settings = field(init=False)
    processes: list[Process] = field(default_factory=list)
    _logs: list[IO[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = Settings(
            kafka=self.kafka.model_copy(update={"batches_partitions": PARTITIONS}),
            processors=ProcessorSettings(app_id=self.app_id, epoch_s=0.3, epoch_messages_max=32, session_timeout_s=GROUP_SESSION_S),
        )
        self.admin = AdminClient(client_config(self.kafka))
        self._producer = Producer(client_config(self.kafka) | {"enable.idempotence": True, "linger.ms": 5})
        self._committed = Committed(self.settings.kafka)
        self.sent: Counter[int] = Counter()

    def make_topics(self, facts_bytes_max: int = 1_000_000) -> None:
        """All topics of the product, empty."""
        make_topics(self.settings)
        self.limit_records(topics.SESSIONS, facts_bytes_max)

    def limit_records(self, topic: str, size_bytes_max: int) -> None:
        """What is larger is refused by the broker."""
        limit = ConfigEntry("max.message.bytes", str(size_bytes_max), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[limit])
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result(10)

    @property
    def state_topic(self) -> str:
        return state_topic(self.settings)

    def send(self, messages: int, keys: int = 8, first: int = 0) -> None:
        """`messages` to each partition, of `keys` keys each. Key n goes to partition n % PARTITIONS."""
        for number in range(first, first + messages):
            for partition in range(PARTITIONS):
                found = [partition + PARTITIONS * ((number * 7 + step * 13) % 250) for step in range(keys)]
                self.send_to(partition, found)
        self.flush()

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def send_to(self, partition: int, keys: Sequence[int]) -> None:
        """One message; it is on its way, not yet there."""
        self._producer.produce(topics.BATCHES, msgspec.msgpack.encode(keys), partition=partition)
        self._producer.poll(0)
        self.sent.update(keys)

    def leave_a_hole(self, partition: int) -> None:
        """A transaction's marker takes an offset that no reader sees, here the one after a message."""
        end = self.ends()[partition]
        producer = Producer(client_config(self.kafka) | {"transactional.id": self.app_id})
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce(topics.BATCHES, msgspec.msgpack.encode([partition]), partition=partition)
        producer.commit_transaction(20)
        while self.ends()[partition] < end + 2:
            time.sleep(0.02)

    def append_state(self, records: dict[bytes, bytes]) -> None:
        """As another worker would: at the end of the state topic."""
        for key, value in records.items():
            self._producer.produce(self.state_topic, value, key, partition=partition_of(key))
        self.flush()

    def empty_state(self) -> None:
        delete_topics(self.kafka, self.state_topic)
        create_topics(self.settings, lambda text: None)

    def start(self, instance: str = "", padding_bytes: int = 0, apply_s: float = 0.0, kill_after_s_max: float = 0.0, session_s: float | None = None) -> Process:
        """A worker around the counting fold."""
        arguments = [str(padding_bytes), str(apply_s), str(kill_after_s_max)]
        return self.run("tests.processors.worker_process", *arguments, instance=instance, **({"session_timeout_s": session_s} if session_s else {}))

    def run(self, module: str, *arguments: str, **changes: object) -> Process:
        """A module as a process; `changes` are settings of the processors."""
        processors = self.settings.processors.model_copy(update=changes)
        bare = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
        environment = bare | environment_of(self.settings.model_copy(update={"processors": processors}))
        log = self.directory / f"worker-{len(self.processes)}.log"
        output = log.open("wb")
        process = Process(subprocess.Popen([sys.executable, "-m", module, *arguments], env=environment, stdout=output, stderr=subprocess.STDOUT), log)
        self._logs.append(output)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGCONT)
                process.popen.kill()
                process.wait()
        for log in self._logs:
            log.close()
        self._committed.close()

    def committed(self) -> list[int]:
        """Committed offset of each batches partition; 0: none."""
        places = [(topics.BATCHES, partition) for partition in range(PARTITIONS)]
        found = self._committed.of(self.app_id, places)
        return [found.get(place, 0) for place in places]

    def ends(self) -> list[int]:
        consumer = Consumer(client_config(self.kafka) | {"group.id": "ends"})
        try:
            return [consumer.get_watermark_offsets(TopicPartition(topics.BATCHES, p), timeout=10)[1] for p in range(PARTITIONS)]
        finally:
            consumer.close()

    def wait_until_done(self, timeout_s: float = 40.0) -> None:
        """All that was sent is committed."""
        ends, deadline = self.ends(), time.monotonic() + timeout_s
        while self.committed() != ends:
            self._require_a_living_worker()
            assert time.monotonic() < deadline, f"not done in {timeout_s} s: committed {self.committed()} of {ends}\n" + "\n".join(
                process.text()[-3000:] for process in self.processes[-3:]
            )
            time.sleep(0.1)

    def _require_a_living_worker(self) -> None:
        assert any(process.popen.poll() is None for process in self.processes), self.processes[-1].text()[-3000:]

    def wait_for_progress(self, messages: int, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while sum(self.committed()) < messages:
            self._require_a_living_worker()
            assert time.monotonic() < deadline, f"no progress: {self.committed()}\n" + self.processes[-1].text()[-3000:]
            time.sleep(0.05)

    def wait_for_text(self, process: Process, text: str, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while text not in process.text():
            assert time.monotonic() < deadline, process.text()[-3000:]
            time.sleep(0.05)

    def revisions(self) -> set[tuple[int, int]]:
        """(key, revision) of every fact."""
        return {(fact["id"], fact["revision"]) for fact in map(msgspec.json.decode, (value for _, value in self.records(topics.SESSIONS)))}

    def facts(self) -> dict[int, int]:
        """Key → count of the highest revision. Two contents under one revision fail."""
        newest: dict[int, tuple[int, int]] = {}
        for _, value in self.records(topics.SESSIONS):
            fact = msgspec.json.decode(value)
            revision = (fact["revision"], fact["count"])
            held = newest.get(fact["id"])
            assert held is None or held[0] != revision[0] or held == revision, f"two contents of {fact['id']} under revision {revision[0]}"
            newest[fact["id"]] = max(held or revision, revision)
        return {key: count for key, (_, count) in newest.items()}

    def records(self, topic: str) -> Iterable[tuple[bytes, bytes]]:
        """(key, value) of everything in a topic now."""
        consumer = Consumer(client_config(self.kafka) | {"group.id": "reader", "enable.auto.commit": False, "enable.partition.eof": True})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        open_partitions = set(partitions)
        try:
            while open_partitions:
                for message in consumer.consume(500, timeout=1.0):
                    if message.error() is None:
                        yield message.key() or b"", message.value() or b""
                    else:
                        open_partitions.discard(message.partition())
        finally:
            consumer.close()

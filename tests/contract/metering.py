"""Ingest and processors with the real meters, on topics of their own making: what they made of a history, whoever metered it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer

from services.events import topics
from services.processors.state import page_key
from services.runtime.committed import Committed
from services.runtime.kafka import client_config, create_topics, state_topic
from services.runtime.settings import PREFIX, ProcessorSettings, environment_of
from tests.ingest.stage import RAW_PARTITIONS, Stage
from tests.spec.timeline import T0_MS, cloud_events, instant

WAIT_S = 200.0
END_MS = T0_MS + 3 * 3_600_000
TIMELINE = "started 0, user message 3, transferred 7, returned 11, user message 22, ended 31"
HISTORY = [event for number in range(30) for event in cloud_events(TIMELINE, subject=f"c{number}")]


RELEASE = ("services.cli", "serve", "processor")
"""This release's processor, as a module and its arguments."""


class Metering(Stage):
    """Ingest and processors with the real meters, of one generation at a time."""

    def of_generation(self, generation: int) -> None:
        processors = ProcessorSettings(generation=generation, epoch_s=0.3, session_timeout_s=6.0)
        self.settings = self.settings.model_copy(update={"processors": processors})
        create_topics(self.settings, lambda _line: None)

    def start_processor(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        bare = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
        log = self.directory / f"processor-{self.settings.processors.generation}.log"
        with log.open("ab") as output:
            command = [sys.executable, "-m", module, *arguments]
            process = subprocess.Popen(command, env=bare | environment_of(self.settings), stdout=output, stderr=output)
        self.running.append(process)
        return process

    @contextmanager
    def processor(self) -> Iterator[subprocess.Popen[bytes]]:
        process = self.start_processor(*RELEASE)
        yield process
        if process.poll() is None:
            self.kill(process)

    def said(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.directory.glob("processor-*.log"))

    def write_history(self, events: Sequence[Mapping[str, Any]]) -> None:
        for number in range(RAW_PARTITIONS):
            self.write((topics.CONVERSATIONS, number), [json.dumps(event).encode() for event in events[number::RAW_PARTITIONS]], END_MS)

    def close_log(self) -> None:
        closed = {"specversion": "1.0", "type": "log.closed", "source": "quarterhour", "id": "c", "time": instant(END_MS)}
        for topic in topics.RAW_TOPICS:
            for number in range(RAW_PARTITIONS):
                self.write((topic, number), [json.dumps(closed).encode()], END_MS)

    def meter(self) -> None:
        """Until a processor has made all durable that the raw log holds."""
        with self.ingest(), self.processor() as processor:
            self.until_metered(processor)

    def until_metered(self, *processors: subprocess.Popen[bytes]) -> None:
        """All that is written is durable. These must not end meanwhile."""
        self.wait_until_committed(self.settings.ingest_group)
        ends = {place: end for place, end in self._ends([topics.BATCHES]).items() if end}
        deadline = time.monotonic() + WAIT_S
        with Committed(self.settings.kafka) as committed:
            while any(done < ends[place] for place, done in (dict.fromkeys(ends, 0) | committed.of(self.settings.processors_group, ends)).items()):
                assert all(processor.poll() is None for processor in processors), self.said()[-3000:]
                assert time.monotonic() < deadline, self.said()[-3000:]
                time.sleep(0.1)

    def damage_state(self) -> None:
        producer = Producer(client_config(self.settings.kafka))
        producer.produce(state_topic(self.settings), (1 << 60).to_bytes(8, "big") + b"no state", page_key(0, 0), partition=0)
        assert producer.flush(30) == 0

    def newest(self) -> Mapping[str, dict[str, Any]]:
        """Id to the session, or conversation, of the highest revision."""
        found: dict[str, dict[str, Any]] = {}
        for topic in (topics.SESSIONS, topics.EPISODES):
            for fact in (json.loads(value) for _, _, value in self.read(topic)):
                ident = fact.get("billing_session_id") or fact["conversation_episode_id"]
                if ident not in found or fact["revision"] > found[ident]["revision"]:
                    found[ident] = {"topic": topic} | fact
        return found

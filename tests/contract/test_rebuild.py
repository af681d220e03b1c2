"""State that is damaged is refused, and a rebuild meters the raw log anew: the same facts, with higher revisions (T6)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from services.events import topics
from services.processors.exits import Exit
from services.processors.state import page_key
from services.runtime.committed import Committed
from services.runtime.kafka import client_config, create_topics, state_topic
from services.runtime.settings import PREFIX, KafkaSettings, ProcessorSettings, environment_of
from tests.ingest.stage import Stage
from tests.reference.model import reference_of_events
from tests.spec.timeline import T0_MS, cloud_events, instant

WAIT_S = 200.0
END_MS = T0_MS + 3 * 3_600_000
TIMELINE = "started 0, user message 3, transferred 7, returned 11, user message 22, ended 31"
HISTORY = [event for number in range(30) for event in cloud_events(TIMELINE, subject=f"c{number}")]


class Rebuilt(Stage):
    """Ingest and a processor with the real meters, of one generation at a time."""

    def of_generation(self, generation: int) -> None:
        processors = ProcessorSettings(generation=generation, epoch_s=0.3, session_timeout_s=6.0)
        self.settings = self.settings.model_copy(update={"processors": processors})
        create_topics(self.settings, lambda _line: None)

    @contextmanager
    def processor(self) -> Iterator[subprocess.Popen[bytes]]:
        bare = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
        log = self.directory / f"processor-{self.settings.processors.generation}.log"
        with log.open("ab") as output:
            command = [sys.executable, "-m", "services.cli", "serve", "processor"]
            process = subprocess.Popen(command, env=bare | environment_of(self.settings), stdout=output, stderr=output)
        self.running.append(process)
        yield process
        if process.poll() is None:
            self.kill(process)

    def said(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.directory.glob("processor-*.log"))

    def meter(self) -> None:
        """Until a processor has made all durable that the raw log holds."""
        with self.ingest(), self.processor() as processor:
            self.wait_until_committed(self.settings.ingest_group)
            ends = {place: end for place, end in self._ends([topics.BATCHES]).items() if end}
            deadline = time.monotonic() + WAIT_S
            with Committed(self.settings.kafka) as committed:
                while any(done < ends[place] for place, done in (dict.fromkeys(ends, 0) | committed.of(self.settings.processors_group, ends)).items()):
                    assert processor.poll() is None, self.said()[-3000:]
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


@pytest.fixture
def rebuilt(kafka: KafkaSettings, tmp_path: Path) -> Iterator[Rebuilt]:
    made = Rebuilt(kafka, tmp_path)
    yield made
    made.close()


def _contents(facts: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in fact.items() if name != "revision"} for _, fact in sorted(facts.items())]


def test_damaged_state_is_refused_and_a_rebuild_gives_the_same_facts_with_higher_revisions(rebuilt: Rebuilt) -> None:
    rebuilt.of_generation(1)
    for number in range(2):
        rebuilt.write((topics.CONVERSATIONS, number), [json.dumps(event).encode() for event in HISTORY[number::2]], END_MS)
    closed = {"specversion": "1.0", "type": "log.closed", "source": "quarterhour", "id": "c", "time": instant(END_MS)}
    for topic in topics.RAW_TOPICS:
        for number in range(2):
            rebuilt.write((topic, number), [json.dumps(closed).encode()], END_MS)
    rebuilt.meter()
    before = rebuilt.newest()
    rebuilt.damage_state()
    with rebuilt.processor() as processor:
        assert processor.wait(WAIT_S) == Exit.STATE
    assert "quarterhour rebuild" in rebuilt.said()

    rebuilt.of_generation(2)
    rebuilt.meter()

    after = rebuilt.newest()
    assert _contents(after) == _contents(before)
    assert sorted(map(repr, _contents(after))) == sorted(map(repr, reference_of_events(HISTORY)))
    assert {fact["revision"] >> 48 for fact in before.values()} == {1}
    assert {fact["revision"] >> 48 for fact in after.values()} == {2}


def test_a_new_generation_finds_the_batches_topic_empty_and_empties_it_once(rebuilt: Rebuilt) -> None:
    producer = Producer(client_config(rebuilt.settings.kafka))
    left = []
    for generation in (1, 1, 2, 2):
        rebuilt.of_generation(generation)
        left.append(len(rebuilt.read(topics.BATCHES)))
        producer.produce(topics.BATCHES, b"message", partition=0)
        assert producer.flush(30) == 0

    assert left == [0, 1, 0, 1]

"""`quarterhour wait` on a real broker: it returns when the three rooms have committed, and says who has not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from threading import Thread

import pytest
from confluent_kafka import Producer

from services.events.decode import decode
from services.events.event import Event, Kind
from services.events.times import parse_ms
from services.events.topics import BATCHES, FACT_TOPICS, RAW_TOPICS, SESSIONS, VOICE
from services.runtime.kafka import client_config
from tests.cli.conftest import Log, Run

HOUR_MS = 3_600_000
EVENT = b'{"type":"voice.started","time":"2026-01-31T08:00:00Z","subject":"s"}'
LATER = EVENT.replace(b"T08", b"T11")


def write(log: Log, topic: str) -> None:
    producer = Producer(client_config(log.settings.kafka))
    problems: list[object] = []
    producer.produce(topic, b"{}", key="id", on_delivery=lambda error, _: problems.append(error))
    producer.flush()
    assert problems == [None]


def ingest_commits(log: Log) -> None:
    log.commit(log.settings.ingest.group_id, *RAW_TOPICS)


def processors_commit(log: Log) -> None:
    log.commit(log.settings.processors.app_id, BATCHES)


def sink_commits(log: Log) -> None:
    log.commit(log.settings.sink.group_id, *FACT_TOPICS)


def test_topics_without_a_record_are_stored_at_once(run: Run) -> None:
    assert run("wait", "--timeout", 0).exit_code == 0


def test_a_raw_record_that_ingest_has_not_committed_is_waited_for_and_named(run: Run) -> None:
    run("emit", "-", stdin=EVENT)
    result = run("wait", "--timeout", 0.5)
    assert result.exit_code == 1
    assert "ingest room has 1 records to go" in result.stderr
    assert "platform.voice" in result.stderr
    assert "has no member" in result.stderr


def test_each_room_in_turn_is_waited_for(log: Log, run: Run) -> None:
    run("emit", "-", stdin=EVENT)
    ingest_commits(log)
    assert run("wait", "--timeout", 0).exit_code == 0

    write(log, BATCHES)
    assert "processor room has 1 records to go" in run("wait", "--timeout", 0).stderr
    processors_commit(log)
    assert run("wait", "--timeout", 0).exit_code == 0

    write(log, SESSIONS)
    assert "sink room has 1 records to go" in run("wait", "--timeout", 0).stderr
    sink_commits(log)
    assert run("wait", "--timeout", 0).exit_code == 0


def test_what_a_room_writes_before_it_commits_is_waited_for_too(log: Log, run: Run) -> None:
    run("emit", "-", stdin=EVENT)
    late: list[Callable[[], None]] = [
        lambda: write(log, BATCHES),
        lambda: ingest_commits(log),
        lambda: write(log, SESSIONS),
        lambda: processors_commit(log),
        lambda: sink_commits(log),
    ]
    done: list[float] = []

    def rooms() -> None:
        for step in late:
            time.sleep(0.3)
            step()
        done.append(time.monotonic())

    worker = Thread(target=rooms)
    worker.start()
    result = run("wait", "--timeout", 30)
    returned_at = time.monotonic()
    worker.join()
    assert result.exit_code == 0
    # The last step commits all fact topics in turn: wait may see the one that matters a moment before the step is over.
    assert returned_at >= done[0] - 0.5


def test_closing_writes_one_control_record_into_every_partition_26_hours_after_the_newest_log_time(log: Log, run: Run) -> None:
    run("emit", "-", stdin=b"\n".join([EVENT, LATER, EVENT]))
    run("wait", "--close", "--timeout", 0)
    closed = [record for record in log.read(*RAW_TOPICS) if b"log.closed" in record.value]
    assert {(record.topic, record.partition) for record in closed} == {(topic, partition) for topic in RAW_TOPICS for partition in (0, 1)}
    events = [decode(record.value, record.log_ms) for record in closed]
    newest_ms = parse_ms("2026-01-31T11:00:00Z")
    assert {(event.kind, event.time_ms) for event in events if isinstance(event, Event)} == {(Kind.LOG_CLOSED, newest_ms + 26 * HOUR_MS)}


def test_a_control_record_bears_its_partitions_newest_log_time_and_in_an_empty_one_the_newest_of_all(log: Log, run: Run) -> None:
    run("emit", "-", stdin=b"\n".join([EVENT, EVENT.replace(b"voice", b"alert").replace(b"T08", b"T05"), LATER.replace(b"voice", b"agent")]))
    run("wait", "--close", "--timeout", 0)
    run("wait", "--close", "--timeout", 0)
    log_times: dict[str, set[int]] = {}
    for record in log.read(*RAW_TOPICS):
        if b"log.closed" in record.value:
            log_times.setdefault(record.topic, set()).add(record.log_ms)
    eight, eleven = parse_ms("2026-01-31T08:00:00Z"), parse_ms("2026-01-31T11:00:00Z")
    assert log_times == {"platform.conversations": {eleven}, "platform.voice": {eight, eleven}, "platform.alerts": {eight, eleven}, "platform.agents": {eleven}}


def test_until_says_when_the_log_is_closed(log: Log, run: Run) -> None:
    run("emit", "-", stdin=EVENT)
    run("wait", "--close", "--until", "2026-02-03", "--timeout", 0)
    closed = [json.loads(record.value) for record in log.read(VOICE) if b"log.closed" in record.value]
    assert {record["time"] for record in closed} == {"2026-02-03T00:00:00.000Z"}


def test_until_without_close_is_refused(run: Run) -> None:
    result = run("wait", "--until", "2026-02-03")
    assert (result.exit_code, "--close" in result.stderr) == (2, True)


def test_without_a_broker_a_sentence_says_what_to_do(log: Log, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.runtime.kafka.TIMEOUT_S", 1.0)
    log.settings = log.settings.model_copy(update={"kafka": log.settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})})
    for command in (("wait",), ("emit", "/dev/null"), ("simulate",)):
        result = run(*command)
        assert (result.exit_code, "quarterhour up" in result.stderr) == (69, True)

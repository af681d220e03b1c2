"""How long a fact takes: from the append of the record that makes it due to the row in ClickHouse, at a steady rate.

Event time runs `SCALE` times as fast as the clock and ends today, so that windows of 15 minutes end all the time. A session whose window is full is due
when the watermark passes its end (U8): in every partition of the conversations' topic an event newer than that end and the `out_of_orderness` has been
appended; the latest of these appends is when its time begins. One that an `ended` ends is due with that record. The sink is the product's in a process of
ours that notes when an insert has returned.
`fact`: from there to the fact's record on its aggregate topic (ingest's poll, Kafka twice, the fold); without a prefix: on to the insert's return;
`ended`: the same for sessions that an `ended` ends.
"""

from __future__ import annotations

import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from services.events import topics
from services.events.times import format_ms, parse_ms
from services.runtime.clock import wall_ms
from services.runtime.settings import Settings, environment_for_children
from tests.bench.stand import READY_S, Stand

SCALE: Final = 60
IDLE_S: Final = 2.0
"""Quiet partitions follow the ticks so soon here."""
WARM_S: Final = 25.0
"""The first windows are full after 15 s, and the watermark follows a second later."""
_TURNS: Final = 8
_TURN_MS: Final = 2_500
_STEP_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Appends:
    """What was appended when: for each partition its newest event times so far; and the append of the first event of each time. Milliseconds."""

    partitions: list[tuple[list[int], list[int]]]
    at_ms: dict[int, int] = field(default_factory=dict)


def run_latency(stand: Stand, rate: int, seconds: float, name: str, **groups: Mapping[str, object]) -> dict[str, Any]:
    """Percentiles at one rate, in milliseconds."""
    groups = {**groups, "ingest": {"idle_after_s": IDLE_S, **groups.get("ingest", {})}}
    stand.empty(topics.RAW_TOPICS)
    settings = stand.begin_run(name, **groups)
    inserted = stand.home / "inserted.msgpack"
    inserted.unlink(missing_ok=True)
    sink = _start_sink(stand, settings, inserted)
    try:
        for room in ("processor-1", "ingest"):
            stand.serve(room, settings)
        before, began_ms = stand.cpu_s(), wall_ms()
        appends, sent = _append(stand, rate, seconds + WARM_S)
        time.sleep(4)
        spent = {room: round((cpu_s - before[room]) * 1e6 / sent, 1) for room, cpu_s in stand.cpu_s().items()}
        published = dict(_published(settings))
        sink.terminate()
        sink.wait(30)
        stored = msgspec.msgpack.decode(inserted.read_bytes(), type=dict[str, int])
        figures = _figures(published, stored, appends, began_ms + int(WARM_S * 1000), settings.rules.out_of_orderness_ms)
        return {"events_per_s": rate, "sent": sent, **figures, "cpu_us_per_event": spent}
    finally:
        sink.kill()
        sink.wait()
        stand.end_run(settings)


def _start_sink(stand: Stand, settings: Settings, out: Path) -> subprocess.Popen[bytes]:
    environment = environment_for_children(settings) | {"QUARTERHOUR_METRICS__PORT": str(stand.port_base + 30)}
    with (stand.home / "timed_sink.log").open("ab") as log:
        sink = subprocess.Popen([sys.executable, "-m", "tests.bench.timed_sink", str(out)], env=environment, stdout=log, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + READY_S
    from services.local.plan import answers

    while not answers(f"http://127.0.0.1:{stand.port_base + 30}/readyz"):
        if sink.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the sink did not get ready: {(stand.home / 'timed_sink.log').read_text()[-2_000:]}")
        time.sleep(0.05)
    return sink


def _append(stand: Stand, rate: int, seconds: float) -> tuple[Appends, int]:
    """Write events evenly, at the clock's pace; what was appended when, and how many."""
    partitions = stand.settings.kafka.raw_partitions
    producer = Producer({"bootstrap.servers": stand.servers, "linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 400_000})
    appends = Appends([([], []) for _ in range(partitions)])
    conversations = _Conversations(rate)
    began_s, sent, first_ms = time.monotonic(), 0, wall_ms() - int(seconds * 1000) * SCALE
    while (gone_s := time.monotonic() - began_s) < seconds:
        now_ms, event_ms = wall_ms(), first_ms + int(gone_s * 1000) * SCALE
        touched = set()
        for subject, line in conversations.until(event_ms, int(gone_s * rate) - sent):
            partition = crc32(subject) % partitions
            producer.produce(topics.CONVERSATIONS, line, subject, partition=partition, timestamp=now_ms)
            touched.add(partition)
            sent += 1
        producer.poll(0)
        appends.at_ms.setdefault(event_ms, now_ms)
        for partition in touched:
            newest, at = appends.partitions[partition]
            newest.append(event_ms)
            at.append(now_ms)
        time.sleep(max(0.0, _STEP_S - (time.monotonic() - began_s - gone_s)))
    producer.flush(60)
    return appends, sent


class _Conversations:
    """So many side by side that each says something every `_TURN_MS`."""

    def __init__(self, rate: int) -> None:
        self._at_once = max(8, rate * _TURN_MS // 1000)
        self._next = 0

    def until(self, event_ms: int, count: int) -> Iterator[tuple[bytes, bytes]]:
        """The next `count` lines, all said at this instant."""
        at = format_ms(event_ms)
        for number in range(self._next, self._next + max(0, count)):
            slot, turn = number % self._at_once, number // self._at_once + number % self._at_once % (_TURNS + 2)
            subject, step = f"c{slot:08x}{turn // (_TURNS + 2):07x}", turn % (_TURNS + 2)
            kind, own = _STEPS[step] if step in _STEPS else ("message", f'"sender":"{"user" if step % 2 else "bot"}","message_id":"{number:016x}"')
            data = f'"workspace_id":"workspace-{slot % 50:05d}","app_id":"app-{slot % 3}","channel":"web",{own}'
            head = f'"specversion":"1.0","id":"{number:016x}","source":"/latency","type":"conversation.{kind}","time":"{at}","subject":"{subject}"'
            yield subject.encode(), f'{{{head},"data":{{{data}}}}}'.encode()
        self._next += max(0, count)


_STEPS: Final = {0: ("started", '"initiator":"user"'), _TURNS + 1: ("ended", '"reason":"user"')}


class _Session(msgspec.Struct):
    billing_session_id: str
    end: str
    rule: str


@dataclass(frozen=True, slots=True)
class Written:
    """A session's first record on the aggregate topic."""

    rule: str
    end_ms: int
    at_ms: int


def _published(settings: Settings) -> Iterator[tuple[str, Written]]:
    decode = msgspec.json.Decoder(_Session).decode
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "latency", "enable.partition.eof": True})
    rest = set(range(settings.kafka.facts_partitions))
    consumer.assign([TopicPartition(topics.SESSIONS, partition, 0) for partition in rest])
    seen: set[str] = set()
    while rest:
        for message in consumer.consume(1_000, 1.0):
            if (error := message.error()) is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise RuntimeError(f"the facts cannot be read: {error}")
                rest.discard(message.partition())
                continue
            fact = decode(message.value() or b"")
            if fact.billing_session_id not in seen:
                seen.add(fact.billing_session_id)
                yield fact.billing_session_id, Written(fact.rule, parse_ms(fact.end), message.timestamp()[1])
    consumer.close()


def _figures(published: Mapping[str, Written], stored: Mapping[str, int], appends: Appends, from_ms: int, behind_ms: int) -> dict[str, Any]:
    found: dict[str, list[int]] = {"": [], "fact_": [], "ended_": []}
    for ident, written in published.items():
        full = written.rule == "U7:full"
        due_ms = _passed(appends, written.end_ms + behind_ms) if full else appends.at_ms.get(written.end_ms)
        if due_ms is None or due_ms < from_ms or ident not in stored:
            continue
        found["" if full else "ended_"].append(stored[ident] - due_ms)
        if full:
            found["fact_"].append(written.at_ms - due_ms)
    if not all(found.values()):
        raise RuntimeError(f"no session was timed: {len(published)} published, {len(stored)} stored")
    return {"facts": len(found[""]) + len(found["ended_"])} | {key: ms for prefix, each in found.items() for key, ms in _percentiles(prefix, each).items()}


def _passed(appends: Appends, instant_ms: int) -> int | None:
    """When the append was with which every partition had something newer than an instant; none: it never was."""
    latest_ms = 0
    for newest, at in appends.partitions:
        index = bisect_right(newest, instant_ms)
        if index == len(newest):
            return None
        latest_ms = max(latest_ms, at[index])
    return latest_ms


def _percentiles(prefix: str, found: list[int]) -> dict[str, int]:
    found.sort()
    return {f"{prefix}p{share}_ms": found[min(len(found) - 1, len(found) * share // 100)] for share in (50, 95, 99)}

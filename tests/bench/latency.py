"""How long a fact takes: from the append of the record that lets the watermark pass to the row in ClickHouse, at a steady rate.

Conversations last seconds here, so that sessions end all the time; the watermark stays 2 s behind the newest event. A fact is due when, in every
partition of the conversations' topic, an event newer than the session's end has been appended with those 2 s: the latest of these appends is when its
time begins. The sink is the product's in a process of ours that notes when an insert has returned.
`fact`: from there to the fact's record on its aggregate topic (ingest's poll, Kafka twice, the fold); `row`: on to the insert's return.
"""

from __future__ import annotations

import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from services.events import topics
from services.events.times import format_ms, parse_ms
from services.runtime.clock import wall_ms
from services.runtime.settings import Settings, environment_for_children
from tests.bench.stand import READY_S, Stand

LAG_MS: Final = 2_000
WARM_S: Final = 8.0
_TURNS: Final = 8
_TURN_MS: Final = 2_500
_STEP_S: Final = 0.02
_RULES: Final = frozenset(("U7:ended", "U7:full"))

Appends = list[tuple[list[int], list[int]]]
"""For each partition: newest event times so far, and when they were appended."""


def run_latency(stand: Stand, rate: int, seconds: float, name: str, **groups: Mapping[str, object]) -> dict[str, Any]:
    """Percentiles at one rate, in milliseconds."""
    groups = {**groups, "rules": {"out_of_orderness_ms": LAG_MS}}
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
        time.sleep(LAG_MS / 1000 + 4)
        spent = {room: round((cpu_s - before[room]) * 1e6 / sent, 1) for room, cpu_s in stand.cpu_s().items()}
        published = dict(_published(settings))
        sink.terminate()
        sink.wait(30)
        stored = msgspec.msgpack.decode(inserted.read_bytes(), type=dict[str, int])
        return {"events_per_s": rate, "sent": sent, **_figures(published, stored, appends, began_ms + int(WARM_S * 1000)), "cpu_us_per_event": spent}
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
    """Write events that happen now, evenly; what was appended when, and how many."""
    partitions = stand.settings.kafka.raw_partitions
    producer = Producer({"bootstrap.servers": stand.servers, "linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 400_000})
    appends: Appends = [([], []) for _ in range(partitions)]
    conversations = _Conversations(rate)
    began_s, sent = time.monotonic(), 0
    while (gone_s := time.monotonic() - began_s) < seconds:
        now_ms = wall_ms()
        newest = [0] * partitions
        for subject, line in conversations.until(now_ms, int(gone_s * rate) - sent):
            partition = crc32(subject) % partitions
            producer.produce(topics.CONVERSATIONS, line, subject, partition=partition, timestamp=now_ms)
            newest[partition] = now_ms
            sent += 1
        producer.poll(0)
        for partition, newest_ms in enumerate(newest):
            if newest_ms:
                appends[partition][0].append(newest_ms)
                appends[partition][1].append(now_ms)
        time.sleep(max(0.0, _STEP_S - (time.monotonic() - began_s - gone_s)))
    producer.flush(60)
    return appends, sent


class _Conversations:
    """So many side by side that each says something every `_TURN_MS`."""

    def __init__(self, rate: int) -> None:
        self._at_once = max(8, rate * _TURN_MS // 1000)
        self._next = 0

    def until(self, now_ms: int, count: int) -> Iterator[tuple[bytes, bytes]]:
        """The next `count` lines, said now."""
        at = format_ms(now_ms)
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


def _published(settings: Settings) -> Iterator[tuple[str, tuple[int, int]]]:
    """(id, (end, when its first record was written)) of every session on the aggregate topic."""
    decode = msgspec.json.Decoder(_Session).decode
    servers = settings.kafka.bootstrap_servers
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "latency", "enable.partition.eof": True, "enable.auto.commit": False})
    partitions = settings.kafka.facts_partitions
    consumer.assign([TopicPartition(topics.SESSIONS, partition, 0) for partition in range(partitions)])
    seen: set[str] = set()
    while partitions:
        for message in consumer.consume(1_000, 1.0):
            if message.error() is not None:
                partitions -= 1
                continue
            fact = decode(message.value() or b"")
            if fact.rule in _RULES and fact.billing_session_id not in seen:
                seen.add(fact.billing_session_id)
                yield fact.billing_session_id, (parse_ms(fact.end), message.timestamp()[1])
    consumer.close()


def _figures(published: Mapping[str, tuple[int, int]], stored: Mapping[str, int], appends: Appends, from_ms: int) -> dict[str, Any]:
    fact, row = [], []
    for ident, (end_ms, written_ms) in published.items():
        due_ms = _due(appends, end_ms)
        if due_ms is not None and due_ms >= from_ms and ident in stored:
            fact.append(written_ms - due_ms)
            row.append(stored[ident] - due_ms)
    if not row:
        raise RuntimeError(f"no session was timed: {len(published)} published, {len(stored)} stored")
    return {"facts": len(row), **_percentiles("", row), **_percentiles("fact_", fact)}


def _due(appends: Appends, end_ms: int) -> int | None:
    """When the append was that let the watermark pass an instant; none: it did not."""
    latest_ms = 0
    for newest, at in appends:
        index = bisect_right(newest, end_ms + LAG_MS)
        if index == len(newest):
            return None
        latest_ms = max(latest_ms, at[index])
    return latest_ms


def _percentiles(prefix: str, found: list[int]) -> dict[str, int]:
    found.sort()
    return {f"{prefix}p{share}_ms": found[min(len(found) - 1, len(found) * share // 100)] for share in (50, 95, 99)}

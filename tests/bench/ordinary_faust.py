"""The same job on Faust as its documentation shows it: one event a message, a table, one write to it for each event.

It does what the Kafka Streams yardstick does (`kafka_streams/Peer.java`) and no more: no duplicates, late events, corrections, seats, checks.
`python -m tests.bench.ordinary_faust BOOTSTRAP TOPIC PARTITIONS EXPECTED_EVENTS` prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from datetime import datetime
from tempfile import TemporaryDirectory
from typing import Any, Final

import faust

WINDOW_MS: Final = 900_000
_QUIET_S: Final = 30.0


class Conversation(faust.Record):
    """What the table holds."""

    start: int
    end: int
    human: int = 0
    transferred: int = -1
    closed: int = 0


class Counts:
    seen = sessions = 0
    first_s = last_s = 0.0


def step(held: Conversation | None, kind: str, at_ms: int) -> tuple[Conversation, int, bool]:
    """The conversation after one event, its sessions so far, and whether it is over."""
    now = held or Conversation(start=at_ms, end=at_ms)
    now.end = max(now.end, at_ms)
    over = kind == "conversation.ended"
    if kind == "conversation.transferred" and now.transferred < 0:
        now.transferred = at_ms
    elif (over or kind == "conversation.returned") and now.transferred >= 0:
        now.human += at_ms - now.transferred
        now.transferred = -1
    clock = now.end - now.start - now.human - (now.end - now.transferred if now.transferred >= 0 else 0)
    return now, max(1, -(-clock // WINDOW_MS)) if over else clock // WINDOW_MS, over


def make_app(servers: str, topic: str, partitions: int, counts: Counts, data_dir: str) -> faust.App:
    app = faust.App(
        f"ordinary-faust-{int(time.time() * 1000)}",
        broker=f"kafka://{servers}",
        store="memory://",
        datadir=data_dir,
        topic_partitions=partitions,
        topic_replication_factor=1,
        producer_linger=0.05,
        producer_max_batch_size=1_000_000,
        web_enabled=False,
        autodiscover=False,
    )
    events = app.topic(topic, key_type=str, value_type=bytes, value_serializer="raw", key_serializer="raw")
    sessions = app.topic("peer.sessions", key_type=str, value_serializer="json")
    conversations = app.Table("conversations", partitions=partitions)

    @app.agent(events)
    async def meter(stream: Any) -> None:
        async for value in stream:
            counts.first_s = counts.first_s or time.monotonic()
            event = json.loads(value)
            data = event.get("data")
            if data is None:
                continue
            subject = event["subject"]
            at_ms = int(datetime.fromisoformat(event["time"]).timestamp() * 1000)
            now, total, over = step(conversations.get(subject), event["type"], at_ms)
            while now.closed < total:
                start = now.start + now.closed * WINDOW_MS
                await sessions.send(
                    key=data["workspace_id"],
                    value={
                        "billing_session_id": f"{subject}/{now.closed}", "workspace_id": data["workspace_id"], "app_id": data["app_id"],
                        "channel": data["channel"], "conversation_id": subject, "start": start, "end": start + WINDOW_MS,
                    },
                )  # fmt: skip
                now.closed += 1
                counts.sessions += 1
            if over:
                conversations.pop(subject, None)
            else:
                conversations[subject] = now
            counts.seen += 1
            counts.last_s = time.monotonic()

    return app


async def run(servers: str, topic: str, partitions: int, expected: int, data_dir: str) -> None:
    counts = Counts()
    app = make_app(servers, topic, partitions, counts, data_dir)
    cpu_s = time.process_time()
    began_s = time.monotonic()
    await app.start()
    while counts.seen < expected and time.monotonic() - (counts.last_s or began_s) < _QUIET_S:
        await asyncio.sleep(0.02)
    cpu_s = time.process_time() - cpu_s
    wall_s = counts.last_s - counts.first_s
    figures = {"events": counts.seen, "sessions": counts.sessions, "seconds": round(wall_s, 2), "events_per_s": round(counts.seen / wall_s)}
    sys.stdout.write(json.dumps({"engine": "faust, ordinary", **figures, "cpu_us_per_event": round(cpu_s * 1e6 / counts.seen, 2)}) + "\n")
    sys.stdout.flush()
    with suppress(TimeoutError):
        await asyncio.wait_for(app.stop(), 20)


if __name__ == "__main__":
    # Faust makes a folder even for a table that is only in memory.
    with TemporaryDirectory(prefix="ordinary-faust-") as folder:
        asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), folder))

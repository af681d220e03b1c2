"""Pages that take turns: what waits becomes durable by age, whether messages follow or not."""

from __future__ import annotations

import asyncio

import msgspec

from services.events.batches import encode_batch
from services.ingest.batcher import Batcher, Layout, RawRecord, Totals
from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from services.processors.line import Effects, EpochLimits, Line, Message
from tests.processors.test_epochs import Log

CONVERSATIONS = 12
ONE_PAGE_AN_EPOCH = EpochLimits(age_s=0.01, messages=100, size_bytes=1_000_000, state_bytes=1)


def one_message_for_many_pages() -> bytes:
    batcher = Batcher(Layout((1, 0, 0, 0), 64, 1), 86_400_000, generation=1)
    batcher.begin((0, 0), 0, begins=True, totals=Totals())
    for number in range(CONVERSATIONS):
        data = {"workspace_id": "w", "app_id": "a", "channel": "web", "sender": "user", "message_id": "m"}
        event = {"specversion": "1.0", "id": f"{number}", "source": "s", "type": "conversation.message", "time": "2026-01-31T08:00:00Z"}
        batcher.add(RawRecord(0, 0, number, 1_769_846_400_000, msgspec.json.encode(event | {"subject": f"c{number}", "data": data})))
    return encode_batch(batcher.take(0, 0)[0][0])


def test_pages_that_wait_for_their_turn_become_durable_without_a_further_message() -> None:
    log = Log()

    async def take_one_and_wait() -> None:
        fold = PartitionFold(Rules(), 0, 64, 1, 1)
        line = Line(0, fold, ONE_PAGE_AN_EPOCH, Effects(log, log.write_state, log.acknowledge, lambda: None, asyncio.Lock()))
        line.begin(None, 0)
        line.take(Message(0, 0, one_message_for_many_pages(), None))
        running = asyncio.create_task(line.run())
        async with asyncio.timeout(10):
            while line.unacknowledged:
                await asyncio.sleep(0.001)
        running.cancel()

    asyncio.run(take_one_and_wait())
    assert log.committed == 1
    assert len(log.records) > CONVERSATIONS / 2

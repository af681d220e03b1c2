"""A batches message that cannot be read ends the worker with a code of its own, before anything of it is applied."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from services.events.batches import BATCHES_VERSION, Batch, Range, Rows, encode_batch, pack_texts
from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from services.processors.exits import Exit, Fatal
from services.processors.line import Effects, EpochLimits, Message
from services.processors.worker import Worker
from tests.parts.twins import twin
from tests.processors.test_epochs import Log

__all__ = ["twin"]

NO_TEXTS = pack_texts([])
EMPTY = Batch(BATCHES_VERSION, 0, 0, [1], [], Rows([], b"", b"", b"", b"", NO_TEXTS, NO_TEXTS, NO_TEXTS, []))


def _newer() -> bytes:
    batch = EMPTY
    batch.version += 1
    try:
        return encode_batch(batch)
    finally:
        batch.version -= 1


def _with_keys(keys: object) -> bytes:
    """One row, with something in place of its column of keys."""
    row = Rows([(0, 1)], bytes(8), bytes(4), b"\0", bytes(8), msgspec.Raw(msgspec.msgpack.encode(keys)), pack_texts([""]), pack_texts([""]), [])
    return encode_batch(Batch(BATCHES_VERSION, 0, 0, [1], [Range(0, 0, 0, 1, True, 0, 0, None, idle=False)], row))


async def _take(value: bytes) -> tuple[int, Log]:
    """The exit code, and what the worker did to the world."""
    log = Log()
    effects = Effects(log, log.write_state, log.acknowledge, lambda: None, asyncio.Lock())
    worker = Worker(lambda partition: PartitionFold(Rules(), partition, 4, 1, 1), EpochLimits(60.0, 9, 1_000_000, 1_000_000), 9, effects)
    await worker.restore([0], {})
    await asyncio.sleep(0)
    worker.begin({0: (None, 0)})
    await worker.take(Message(0, 0, encode_batch(EMPTY), None))
    with pytest.raises(Fatal) as failed:
        await worker.take(Message(0, 1, value, None))
    worker.release()
    assert "Message 1 of partition 0" in str(failed.value)
    assert "quarterhour rebuild" in str(failed.value)
    return failed.value.exit_code, log


@pytest.mark.parametrize(
    "value",
    [b"", b"garbage", encode_batch(EMPTY)[:-1], _newer(), _with_keys([7]), _with_keys("text"), _with_keys([]), _with_keys(["a", "b"])],
    ids=["empty", "garbage", "cut off", "of a newer release", "keys that are numbers", "no keys", "too few keys", "too many keys"],
)
def test_a_message_that_cannot_be_read_ends_the_worker_and_says_what_to_do(value: bytes) -> None:
    code, log = asyncio.run(_take(value))

    assert code == Exit.MESSAGE
    assert (log.committed, log.facts, log.records) == (0, [], {})

"""E1-E4 on memory twins: a crash at every step of an epoch, and what the next worker makes of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from services.events.outgoing import OutFact
from services.processors.exits import Exit, Fatal
from services.processors.line import Effects, EpochLimits, Line, Message, Receipt
from services.processors.state import Stored, newest, stored_by_partition
from tests.processors.counting import CountingFold


class Crash(Exception):
    """The process ends here."""


@dataclass
class Log:
    """What outlives a worker: facts, state records and the committed offset. `crash_at` counts the effects; facts in flight die with the worker."""

    facts: list[OutFact] = field(default_factory=list)
    in_flight: list[tuple[Receipt, OutFact]] = field(default_factory=list)
    records: dict[bytes, bytes] = field(default_factory=dict)
    committed: int = 0
    effects: int = 0
    crash_at: int | None = None

    def effect(self) -> None:
        self.effects += 1
        if self.effects == self.crash_at:
            raise Crash

    def send(self, facts: Sequence[OutFact], receipt: Receipt) -> None:
        for fact in facts:
            self.effect()
            self.in_flight.append((receipt, fact))

    async def settle(self, receipt: Receipt) -> None:
        for found in [found for found in self.in_flight if found[0] is receipt]:
            await asyncio.sleep(0)
            self.effect()
            self.in_flight.remove(found)
            self.facts.append(found[1])

    def backlog(self) -> int:
        return 0

    async def write_state(self, partition: int, records: Sequence[tuple[bytes, bytes]]) -> None:
        for record in records:
            await asyncio.sleep(0)
            self.effect()
            self.records |= newest(self.records, [record])

    def acknowledge(self, message: Message) -> None:
        self.effect()
        assert message.offset == self.committed
        self.committed += 1

    def folded(self) -> dict[int, int]:
        newest_of: dict[int, tuple[int, int]] = {}
        for fact in map(msgspec.json.decode, (fact.value for fact in self.facts)):
            newest_of[fact["id"]] = max(newest_of.get(fact["id"], (-1, 0)), (fact["revision"], fact["count"]))
        return {key: count for key, (_, count) in newest_of.items()}


MESSAGES = [[1, 65, 2], [2, 3], [1], [65, 66], [3, 1], [129]]


def line_on(log: Log) -> Line:
    fold = CountingFold()
    stored = stored_by_partition(log.records).get(0, Stored(None, {}))
    fold.restore(stored.position, stored.pages)
    effects = Effects(log, log.write_state, log.acknowledge, lambda: None, asyncio.Lock())
    line = Line(0, fold, EpochLimits(60.0, 2, 1_000_000, 1_000_000), effects)
    line.begin(log.committed or None, 0)
    return line


async def work(log: Log) -> None:
    """Take every message from the committed offset on, in epochs of two, until all is durable or the crash comes."""
    log.in_flight.clear()
    line = line_on(log)
    running = asyncio.create_task(line.run())
    try:
        for offset in range(log.committed, len(MESSAGES)):
            line.take(Message(0, offset, msgspec.msgpack.encode(MESSAGES[offset]), None))
            if offset % 3 == 2:
                await asyncio.sleep(0)
        line.hurry(for_good=True)
        while line.unacknowledged and not running.done():
            await asyncio.sleep(0)
    finally:
        running.cancel()
    if running.done():
        running.result()


def effects_of_a_whole_run() -> int:
    log = Log()
    asyncio.run(work(log))
    return log.effects


@pytest.mark.parametrize("crash_at", range(1, effects_of_a_whole_run() + 1))
def test_a_crash_at_any_effect_loses_nothing_and_counts_nothing_twice(crash_at: int) -> None:
    log = Log(crash_at=crash_at)
    with pytest.raises(Crash):
        asyncio.run(work(log))
    asyncio.run(work(log))
    assert log.folded() == Counter(key for keys in MESSAGES for key in keys)
    assert log.committed == len(MESSAGES)


@pytest.mark.parametrize("crash_at", range(1, effects_of_a_whole_run() + 1))
def test_state_never_holds_a_message_whose_facts_were_not_sent(crash_at: int) -> None:
    log = Log(crash_at=crash_at)
    with pytest.raises(Crash):
        asyncio.run(work(log))
    fold = CountingFold()
    stored = stored_by_partition(log.records).get(0, Stored(None, {}))
    fold.restore(None, stored.pages)
    published = log.folded()
    assert all(published.get(key, 0) >= count for page in fold.pages().values() for key, count in page.items())


@pytest.mark.parametrize("crash_at", range(1, effects_of_a_whole_run() + 1))
def test_an_offset_is_committed_only_behind_a_durable_position(crash_at: int) -> None:
    log = Log(crash_at=crash_at)
    with pytest.raises(Crash):
        asyncio.run(work(log))
    assert log.committed <= (line_on(log).durable_to or 0)


def test_a_hole_ends_the_worker() -> None:
    async def skip_one() -> None:
        line = line_on(Log())
        line.take(Message(0, 0, msgspec.msgpack.encode([1]), None))
        line.take(Message(0, 2, msgspec.msgpack.encode([1]), None))

    with pytest.raises(Fatal, match="offset 1 was expected, 2 came") as caught:
        asyncio.run(skip_one())
    assert caught.value.exit_code == Exit.RESTART


@pytest.mark.parametrize(
    ("committed", "beginning", "durable_to", "first"),
    [(None, 0, None, 0), (None, 5, None, 5), (None, 0, 7, 0), (4, 0, 7, 4), (7, 0, 7, 7), (None, 7, 7, 7)],
)
def test_reading_begins_at_the_commit_or_the_beginning_and_never_behind_the_state(
    committed: int | None, beginning: int, durable_to: int | None, first: int
) -> None:
    assert line_with(durable_to).begin(committed, beginning) == first


@pytest.mark.parametrize(("committed", "beginning", "durable_to"), [(4, 0, None), (8, 0, 7), (None, 8, 7), (5, 8, 7)])
def test_a_start_that_would_skip_messages_is_refused(committed: int | None, beginning: int, durable_to: int | None) -> None:
    with pytest.raises(Fatal) as caught:
        line_with(durable_to).begin(committed, beginning)
    assert caught.value.exit_code == Exit.STATE


def line_with(durable_to: int | None) -> Line:
    fold, log = CountingFold(), Log()
    if durable_to:
        fold.apply(msgspec.msgpack.encode([1]), durable_to - 1)
    return Line(0, fold, EpochLimits(60.0, 2, 1_000_000, 1_000_000), Effects(log, log.write_state, log.acknowledge, lambda: None, asyncio.Lock()))

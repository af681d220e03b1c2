"""A processor in the simulation: the product's `Worker`, `Line` and `PartitionFold` on an event loop and an engine in memory.

The engine stands in for Faust with the behaviour that the product is built for: it may lose a fetched message around a rebalance, commit
ahead of what is acknowledged, lose a commit, and hand over before all is durable when it was put out of the group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from services.events import topics
from services.events.outgoing import OutFact
from services.events.partitioning import fact_partition
from services.processors.exits import Exit, Fatal
from services.processors.line import Effects, EpochLimits, Message, Receipt
from services.processors.pause import PauseGuard
from services.processors.state import newest, partition_of
from services.processors.watchdog import View, Waiting, work
from services.processors.worker import Worker
from tests.simulation.kafka import Change, Commit, Place
from tests.simulation.loop import SimLoop
from tests.simulation.process import Gone, Process

if TYPE_CHECKING:
    from tests.simulation.world import World

STATE = "state"
ATTEND_S = 0.1
IDLE_S = 0.03
COMMIT_S = 0.3
TURN_S = 0.01
"""For the watchdog: a turn of the world is so long, for the simulated clock jumps."""
LOOK_S = 1.0


class WorkerProcess(Process):
    """One worker: who attends the group, who reads messages, and the product's tasks, all on one loop."""

    kind = "worker"

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, number)
        processors = world.settings.processors
        self._group = world.batches_group
        self._member = self._group.join()
        self._loop = SimLoop(world.clock.monotonic_s)  # type: ignore[abstract]
        self._guard = PauseGuard(processors.session_timeout_s / 2, self._paused_clock_s)
        self._facts = MemoryFacts(self, world.settings.kafka.facts_partitions)
        effects = Effects(self._facts, self.write_state, self.acknowledge, self.check_pause, asyncio.Lock())
        limits = EpochLimits(processors.epoch_s, processors.epoch_messages_max, processors.epoch_bytes_max, processors.epoch_state_bytes)
        self._worker = Worker(partial(world.parts.make_fold, self), limits, processors.unacked_messages_max, effects, self.spawn)
        self._table: dict[bytes, bytes] = {}
        self._next: dict[int, int] = {}
        self._acknowledged: dict[Place, Commit] = {}
        self._reading = self._in_hand = False
        self._still, self._looks, self._look_at_s = Waiting(), 0, 0.0
        self.skip_next = self.commit_ahead = False
        for task in (self._attend(), self._read(), self._commit_now_and_then()):
            self.spawn(task)

    def work(self) -> None:
        self.beat()
        self._watch(self.world.turns * TURN_S)
        random, pace = self.world.random.random, self.world.pace
        if random() < 0.7 and self.wire.hear(1 + int(random() * 12 * pace)):
            self._facts.heard()
        for _ in range(1 + int(random() * 8 * pace)):
            if not self.alive or not self._loop.run_one():
                return

    def beat(self) -> None:
        """The guard's thread has its turn."""
        self._guard.beat()

    def _watch(self, now_s: float) -> None:
        """The watchdog has its turn: it asks the brokers, and ends a worker that has messages and does not move."""
        if now_s < self._look_at_s or self.world.brokers_away():
            return
        self._look_at_s, self._looks = now_s + LOOK_S, self._looks + 1
        sources = frozenset(partition for _, partition in self._member.owned)
        done = {place[1]: self._group.committed.get(place, Commit(0)).offset for place in self._member.owned}
        lag = {partition: offset for partition, offset in done.items() if offset < self.world.log.end((topics.BATCHES, partition))}
        still_s, name = self._still.look(now_s, work(View(self._looks, self._reading or not sources, 0, sources), lag))
        if still_s >= self.world.settings.processors.stall_s:
            self.leave(Fatal(Exit.STALLED, f"{name} has not moved for {still_s:.0f} s"))
            raise Gone

    def put_out(self) -> None:
        self._group.put_out(self._member)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self.leave(error)

        self._loop.knows(work)
        return self._loop.create_task(guarded())

    def forget(self) -> None:
        self._loop.abandon()

    def check_pause(self) -> None:
        self.effect()
        self._guard.check()

    async def write_state(self, partition: int, records: Sequence[tuple[bytes, bytes]]) -> None:
        sent: list[asyncio.Future[None]] = []
        for key, value in records:
            self.effect("write")
            acknowledged: asyncio.Future[None] = self._loop.create_future()
            self.wire.send((STATE, partition), key, value, partial(_resolve, acknowledged))
            sent.append(acknowledged)
            await asyncio.sleep(0)
        if sent:
            await asyncio.wait(sent)
        for (key, value), acknowledged in zip(records, sent, strict=True):
            acknowledged.result()
            self._table[key] = value

    def acknowledge(self, message: Message) -> None:
        self.effect()
        self._acknowledged[topics.BATCHES, message.partition] = Commit(message.offset + 1)

    def commit_arrives(self) -> None:
        """The next commit reaches the group, or not."""
        marks = self.commits.popleft()
        if not self.world.commit_gets_lost(self):
            self._group.commit(self._member, marks)

    def unacknowledged(self) -> int:
        return self._worker.unacknowledged()

    async def _attend(self) -> None:
        while True:
            if self.stopping:
                await self._give_up(list(self._member.owned), commit=True)
                self._group.leave(self._member)
                self.alive = False
                self.world.buried(self)
                return
            change = None if self.world.brokers_away() else self._group.sync(self._member)
            if change is None:
                await asyncio.sleep(ATTEND_S)
            elif change.kind == "assign":
                await self._recover(change)
            else:
                await self._give_up(change.places, commit=change.kind == "revoke")
                if change.kind == "lost":
                    self._group.rejoin(self._member)

    async def _give_up(self, places: list[Place], *, commit: bool) -> None:
        """As Faust at a revocation: what is applied becomes durable first; of the commits behind it some are forgotten."""
        self._reading = False
        self._worker.hurry()
        while self._in_hand or self._worker.unacknowledged():
            await asyncio.sleep(0.005)
        if commit:
            self.effect()
            if self.world.random.random() < 0.7:
                self._group.commit(self._member, self._acknowledged)
            self._group.release(self._member, places)
        self.commits.clear()
        self._acknowledged.clear()

    async def _recover(self, change: Change) -> None:
        self._group.take(self._member, change.places)
        owned = {partition for _, partition in self._member.owned}
        for partition in sorted(owned):
            self.effect()
            records = [(record.key or b"", record.value or b"") for record in self.world.log.all((STATE, partition))]
            self._table.update(newest(self._table, records))
            await asyncio.sleep(0)
        for key in [key for key in self._table if partition_of(key) not in owned]:
            del self._table[key]
        await self._worker.restore(owned, self._table)
        committed = {partition: self._group.committed.get((topics.BATCHES, partition)) for partition in owned}
        self._next = self._worker.begin({partition: (found.offset if found else None, 0) for partition, found in committed.items()})
        self._reading = True

    async def _read(self) -> None:
        while True:
            message = self._fetch()
            if message is None:
                await asyncio.sleep(IDLE_S)
                continue
            self._in_hand = True
            await self._worker.take(message)
            self._in_hand = False
            await asyncio.sleep(0)

    def _fetch(self) -> Message | None:
        if not self._reading or self.world.brokers_away():
            return None
        partitions = [partition for partition, offset in self._next.items() if offset < self.world.log.end((topics.BATCHES, partition))]
        if not partitions:
            return None
        self.effect()
        partition = partitions[int(self.world.random.random() * len(partitions))]
        if self.skip_next:
            # Faust around a rebalance: a message is fetched, and its queue is cleared.
            self.skip_next = False
            self._next[partition] += 1
            return None
        offset = self._next[partition]
        self._next[partition] += 1
        return Message(partition, offset, self.world.log.at((topics.BATCHES, partition), offset).value or b"", None)

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            self.effect()
            if self.commit_ahead and self._next:
                # Faust #606: one unacknowledged message is committed with the acknowledged ones around it.
                self.commit_ahead = False
                self.commits.append({(topics.BATCHES, partition): Commit(offset) for partition, offset in self._next.items() if offset})
            elif self._acknowledged:
                self.commits.append(dict(self._acknowledged))

    def _paused_clock_s(self) -> float:
        """A clock that runs while the process sleeps, and only then: a jump of the simulated clock is no pause."""
        return self.slept_ms / 1000


class MemoryFacts:
    """`Facts`: the producer of one worker."""

    def __init__(self, process: WorkerProcess, partitions: int) -> None:
        self._process, self._partitions = process, partitions
        self._refused: str | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def send(self, facts: Sequence[OutFact], receipt: Receipt) -> None:
        for fact in facts:
            self._process.effect()
            place = (fact.topic, fact_partition(fact.workspace_id, self._partitions))
            self._process.wire.send(place, fact.key, fact.value, partial(self._delivered, receipt))
        receipt.sent += len(facts)
        self._require_none_refused()

    async def settle(self, receipt: Receipt) -> None:
        self._require_none_refused()
        while receipt.acknowledged < receipt.sent:
            heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(heard)
            await heard
            self._process.effect()
            self._require_none_refused()

    def heard(self) -> None:
        """There was news from the brokers: whoever settles looks again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    def backlog(self) -> int:
        return self._process.wire.unheard

    def _delivered(self, receipt: Receipt, failure: str | None) -> None:
        if failure is None:
            receipt.acknowledged += 1
        else:
            self._refused = failure

    def _require_none_refused(self) -> None:
        if self._refused is not None:
            raise Fatal(Exit.RESTART, f"A fact was not accepted: {self._refused}")


def _resolve(acknowledged: asyncio.Future[None], failure: str | None) -> None:
    if acknowledged.done():
        return
    if failure is None:
        acknowledged.set_result(None)
    else:
        acknowledged.set_exception(Fatal(Exit.RESTART, f"State was not accepted: {failure}"))

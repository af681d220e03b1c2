"""The worker's part that no engine knows: which partitions are at work, how much may be in flight, when all of it is durable.

Limit: unacknowledged messages over all partitions are bounded by `unacked_messages_max`, facts in flight by `_FACTS_MAX`; who would go
past them waits, and the open epochs end at once, so waiting never depends on further messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

import structlog

from services.events.batches import BatchFormatError
from services.events.topics import BATCHES
from services.meters.state import StateNewer
from services.native import load
from services.processors.exits import Exit, Fatal, guard
from services.processors.fold import Fold, MakeFold
from services.processors.line import Effects, EpochLimits, Line, Message
from services.processors.state import Stored, stored_by_partition

log = structlog.get_logger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs work beside the caller's; when it fails, the process ends."""

_FACTS_MAX: Final = 50_000
_ROOM_PAUSE_S: Final = 0.005


class Worker:
    """The lines of the partitions that this process owns now."""

    def __init__(self, make_fold: MakeFold, limits: EpochLimits, unacked_messages_max: int, effects: Effects, spawn: Spawn = guard) -> None:
        self._make_fold = make_fold
        self._limits = limits
        self._unacked_messages_max = unacked_messages_max
        self._effects = effects
        self._spawn = spawn
        self._lines: dict[int, Line] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def restore(self, partitions: Iterable[int], records: Mapping[bytes, bytes]) -> None:
        """Begin anew with these partitions, from the recovered records of the state topic."""
        self.release()
        stored = stored_by_partition(records)
        for partition in sorted(partitions):
            fold = self._restored_fold(partition, stored.get(partition, Stored(None, {})))
            self._lines[partition] = Line(partition, fold, self._limits, self._effects)
            await asyncio.sleep(0)
        self._tasks = [self._spawn(line.run()) for line in self._lines.values()]
        log.info(
            "partitions restored",
            partitions=sorted(self._lines),
            state_records=len(records),
            state_bytes=sum(map(len, records.values())),
            compiled=load() is not None,
        )

    def begin(self, offsets: Mapping[int, tuple[int | None, int]]) -> dict[int, int]:
        """Partition → (committed, beginning) to partition → where reading begins. Raises `Fatal` when state and offsets contradict."""
        return {partition: self._line(partition).begin(*found) for partition, found in offsets.items()}

    async def take(self, message: Message) -> None:
        """Wait for room, then apply."""
        while self.unacknowledged() >= self._unacked_messages_max or self._effects.facts.backlog() >= _FACTS_MAX:
            for line in self._lines.values():
                line.hurry(for_good=False)
            await asyncio.sleep(_ROOM_PAUSE_S)
        try:
            self._line(message.partition).take(message)
        except BatchFormatError as error:
            raise Fatal(
                Exit.MESSAGE,
                f"Message {message.offset} of partition {message.partition} of {BATCHES} cannot be read: {error}. Nothing of it is applied. "
                "If a newer release wrote it, start that release here; if it is damaged, `quarterhour rebuild` meters everything again from the raw log.",
            ) from error

    def hurry(self) -> None:
        """Revocation or shutdown: what is applied, and what still comes, becomes durable at once."""
        for line in self._lines.values():
            line.hurry(for_good=True)

    def unacknowledged(self) -> int:
        """Messages applied and not yet durable."""
        return sum(line.unacknowledged for line in self._lines.values())

    def release(self) -> None:
        """Forget all partitions. What was not durable is replayed by the next owner."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        self._lines = {}

    def status(self) -> list[dict[str, object]]:
        """Progress of every partition, for people."""
        return [line.status() for _, line in sorted(self._lines.items())]

    def _restored_fold(self, partition: int, stored: Stored) -> Fold:
        fold = self._make_fold(partition)
        try:
            fold.restore(stored.position, stored.pages)
        except StateNewer as error:
            raise Fatal(Exit.MESSAGE, f"Partition {partition}: {error} Nothing was applied here, and nothing is lost.") from error
        except Exception as error:
            raise Fatal(Exit.STATE, f"The state of partition {partition} cannot be used: {error} Meter everything anew: `quarterhour rebuild`.") from error
        return fold

    def _line(self, partition: int) -> Line:
        line = self._lines.get(partition)
        if line is None:
            raise Fatal(Exit.RESTART, f"A message of partition {partition} came before its state was restored. Starting again is safe.")
        return line

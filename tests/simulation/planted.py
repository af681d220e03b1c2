"""Ten bugs, planted one at a time: the simulation must find each, or it proves nothing.

They are put around the product, never into it: a fold that tells its inner one something wrong, or a line that does things in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

import msgspec

from services.events import topics
from services.events.batches import Batch, decode_batch, encode_batch
from services.events.outgoing import OutFact
from services.meters.fold import PartitionFold
from services.processors import worker as worker_module
from services.processors.fold import Fold
from services.processors.line import Epoch, Line, Message, State
from services.processors.state import VERSION_BYTES
from tests.reference.instants import HOUR_MS, MINUTE_MS
from tests.simulation import worker as simulated_worker
from tests.simulation.faults import FaultKind
from tests.simulation.worker import WorkerProcess
from tests.simulation.world import Parts, make_fold


class AckBeforeState(Line):
    """The offset moves first. Killed in between, the successor never sees the messages."""

    async def _make_durable(self, epoch: Epoch, state: State) -> None:
        await self._effects.facts.settle(epoch.receipt)
        while self._waiting and state.durable_to is not None and self._waiting[0].offset < state.durable_to:
            self._effects.acknowledge(self._waiting.popleft())
            self.unacknowledged -= 1
        await super()._make_durable(epoch, state)


class StateBeforeFacts(Line):
    """State says what no topic holds yet. Killed in between, the facts are never published."""

    async def _make_durable(self, epoch: Epoch, state: State) -> None:
        await super()._make_durable(Epoch(), state._replace(durable_to=None))
        await super()._make_durable(epoch, state._replace(pages=[], position=None))


class HoleSkipped(Line):
    """Whatever offset comes is the expected one."""

    def take(self, message: Message) -> None:
        self._expected = message.offset
        super().take(message)


class Around:
    """A fold around the product's: `change` what goes in, or what comes out."""

    def __init__(self, inner: Fold) -> None:
        self._inner = inner

    def restore(self, position: bytes | None, pages: Mapping[int, bytes]) -> None:
        self._inner.restore(position, pages)

    def next_offset(self) -> int | None:
        return self._inner.next_offset()

    def apply(self, value: bytes, offset: int) -> list[OutFact]:
        batch = decode_batch(value)
        self.change(batch)
        return [self.changed(fact) for fact in self._inner.apply(encode_batch(batch), offset)]

    def take_dirty(self, bytes_max: int | None = None) -> list[tuple[int, bytes]]:
        return self._inner.take_dirty(bytes_max)

    def durable_to(self) -> int | None:
        return self._inner.durable_to()

    def position(self) -> bytes:
        return self._inner.position()

    def status(self) -> dict[str, object]:
        return self._inner.status()

    def change(self, batch: Batch) -> None:
        """As it is."""

    def changed(self, fact: OutFact) -> OutFact:
        """As it is."""
        return fact


class CoveredTooFar(Around):
    """A range is taken to cover one offset more than it does, and the next one's first event is skipped as known."""

    def change(self, batch: Batch) -> None:
        for range_ in batch.ranges:
            range_.stop += range_.stop > range_.start


class LostRangeAppliedOver(Around):
    """A range whose predecessor is missing is applied as if it were not."""

    def __init__(self, inner: Fold) -> None:
        super().__init__(inner)
        self._covered: dict[tuple[int, int], int] = {}

    def change(self, batch: Batch) -> None:
        for range_ in batch.ranges:
            raw = (range_.topic, range_.partition)
            covered = self._covered.get(raw)
            if covered is not None and range_.start > covered:
                range_.start = covered
            self._covered[raw] = max(covered or 0, range_.stop)


class TickFromTheClock(Around):
    """Time is what the worker's own clock says when it applies a message, and that is another one at a replay."""

    def __init__(self, inner: Fold, now_ms: Callable[[], int]) -> None:
        super().__init__(inner)
        self._now_ms = now_ms

    def change(self, batch: Batch) -> None:
        batch.tick_ms = batch.wall_ms = self._now_ms()


class RevisionUsedTwice(Around):
    """Two messages that follow one another give one revision."""

    def changed(self, fact: OutFact) -> OutFact:
        if fact.topic == topics.LEDGER:
            return fact
        body: dict[str, Any] = msgspec.json.decode(fact.value)
        body["revision"] -= body["revision"] % 2
        return msgspec.structs.replace(fact, value=msgspec.json.encode(body))


def _last_one_counts(held: Mapping[bytes, bytes], records: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Recovery that believes the last record of a key to be the newest; the version is made to fit, so that no other guard notices."""
    best: dict[bytes, bytes] = {}
    for key, value in records:
        rival = max((best.get(key, b""), held.get(key, b"")))
        best[key] = max(rival, value)[:VERSION_BYTES] + value[VERSION_BYTES:]
    return best


@dataclass(frozen=True, slots=True)
class Planted:
    """A bug: other parts for the world, or a patch around it. `focus`: the faults that bring it to light; `seeds`: so many are enough then."""

    name: str
    make_fold: Callable[[WorkerProcess, int], Fold] = make_fold
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    focus: tuple[tuple[str, FaultKind], ...] = ()
    seeds: int = 40

    def parts(self) -> Parts:
        return Parts(make_fold=self.make_fold, focus=self.focus)


def _line(kind: type[Line]) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(worker_module, "Line", kind)


def _fold(around: Callable[[Fold], Fold]) -> Callable[[WorkerProcess, int], Fold]:
    return lambda process, partition: around(make_fold(process, partition))


def _with_rules(process: WorkerProcess, partition: int, **changed: int) -> Fold:
    shape = process.world.shape
    return PartitionFold(replace(shape.rules, **changed), partition, shape.pages, shape.partitions, shape.generation)


def _tick_from_the_clock(process: WorkerProcess, partition: int) -> Fold:
    return TickFromTheClock(make_fold(process, partition), process.world.clock.wall_ms)


def _too_early(process: WorkerProcess, partition: int) -> Fold:
    """State goes 48 hours before the last event may still come."""
    return _with_rules(process, partition, lateness_ms=-24 * HOUR_MS)


def _old_beside_new(process: WorkerProcess, partition: int) -> Fold:
    """Every second worker is of a release with another rule."""
    return _with_rules(process, partition, silence_max_ms=30 * MINUTE_MS) if process.number % 2 else make_fold(process, partition)


def _stale() -> AbstractContextManager[Any]:
    return patch.object(simulated_worker, "newest", _last_one_counts)


_REPLAYS: Final = (("worker", "kill"), ("worker", "rebalance"))
BUGS: Final[Sequence[Planted]] = (
    Planted("ack before state", around=_line(AckBeforeState), focus=(("worker", "slow, then killed"),), seeds=100),
    Planted("state before facts", around=_line(StateBeforeFacts), focus=(("worker", "slow, then killed"),), seeds=100),
    Planted("covered off by one", _fold(CoveredTooFar)),
    Planted("a stale page accepted", around=_stale, focus=(("worker", "zombie at a write"), *_REPLAYS), seeds=200),
    Planted("a tick read from the clock at replay", _tick_from_the_clock, focus=_REPLAYS),
    Planted("eviction too early", _too_early, focus=_REPLAYS, seeds=100),
    Planted("a revision used twice", _fold(RevisionUsedTwice)),
    Planted("a lost range applied over", _fold(LostRangeAppliedOver), focus=(("ingest", "refused"), ("ingest", "acknowledged and forgotten")), seeds=60),
    Planted("a hole in the source skipped", around=_line(HoleSkipped), focus=(("worker", "message lost in the engine"),)),
    Planted("old code beside new in one group", _old_beside_new, focus=_REPLAYS),
)

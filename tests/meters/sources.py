"""Several raw partitions, read at will, with the wall clock as an argument: for the rules of time (T1, T2, T4, T7).

A step is one poll, and one epoch: what was read of which partition, and the clock. It gives what the step published, in the notation of the examples.
"""

from __future__ import annotations

import json
from typing import Any

from services.events.batches import encode_batch
from services.ingest.batcher import Batcher, Layout, RawRecord, Totals
from services.meters.fold import PartitionFold
from services.meters.rules import HOUR_MS, Rules
from tests.meters.driver import folded
from tests.spec import reading
from tests.spec.timeline import T0_MS, cloud_event, instant, offset_ms

DAY_MS = 24 * HOUR_MS


class Sources:
    """`count` partitions of one raw topic, one batches partition. Times are texts from t0 (`15+1ms`)."""

    def __init__(self, count: int = 2, *, lateness_ms: int = DAY_MS, hold: range | None = None) -> None:
        self.batcher = Batcher(Layout((count,), 4, 1), lateness_ms, generation=1, names=("raw",))
        self.fold = PartitionFold(Rules(lateness_ms=lateness_ms), 0, 4, 1, 1)
        self.rejected: list[dict[str, Any]] = []
        self._offsets = [0] * count
        self._messages = 0
        for partition in hold or range(count):
            self.hold(partition)

    def hold(self, partition: int) -> None:
        """Ingest is given this partition."""
        self.batcher.begin((0, partition), 0, begins=True, totals=Totals())

    def read(
        self, partition: int, when: str, what: str = "user message", *, log: str | None = None, clock: str = "0", subject: str = "c1"
    ) -> list[tuple[int, int]]:
        """One event from a partition; its log time is its own time, or `log`."""
        at_ms = T0_MS + offset_ms(when)
        place = f"{partition}-{self._offsets[partition]}"
        event = cloud_event(what, at_ms, event_id=place, subject=subject, scope={"workspace_id": "acme", "app_id": "shop"}, message_id=f"m{place}")
        return self._record(partition, event, at_ms if log is None else T0_MS + offset_ms(log), clock)

    def close(self, partition: int, when: str) -> list[tuple[int, int]]:
        """A `log.closed` in a partition."""
        at_ms = T0_MS + offset_ms(when)
        event = {"specversion": "1.0", "type": "log.closed", "source": "quarterhour", "id": "closed", "time": instant(at_ms)}
        return self._record(partition, event, at_ms, "0")

    def tick(self, clock: str, *, idle: tuple[int, ...] = ()) -> list[tuple[int, int]]:
        """Nothing was read; the clock, and which partitions are read to their end."""
        return self._take(T0_MS + offset_ms(clock), frozenset((0, partition) for partition in idle))

    @property
    def watermark(self) -> int:
        """From t0."""
        found = self.fold.status()["watermark_ms"]
        assert isinstance(found, int)
        return found - T0_MS

    def kept(self) -> object:
        """How many conversations and calls are in the state."""
        return self.fold.status()["open"]

    def _record(self, partition: int, event: dict[str, Any], log_ms: int, clock: str) -> list[tuple[int, int]]:
        self.batcher.add(RawRecord(0, partition, self._offsets[partition], log_ms, json.dumps(event).encode()))
        self._offsets[partition] += 1
        return self._take(T0_MS + offset_ms(clock), frozenset())

    def _take(self, clock_ms: int, idle: frozenset[tuple[int, int]]) -> list[tuple[int, int]]:
        if self._messages:
            self.fold.take_dirty()
        batches, rejected = self.batcher.take(clock_ms, clock_ms, idle)
        self.rejected += [json.loads(fact.value) for fact in rejected]
        facts = self.fold.apply(encode_batch(batches[0]), self._messages)
        self._messages += 1
        return reading.session_spans(folded(facts))

"""Drive the real fold over a history, cut and disordered at will, with state saved and restored in between; give the final facts.

Everything goes the real way, bytes included: lines → `Batcher` → batches messages → `PartitionFold` → facts, one fold for each batches partition.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from services.cli.heads import read_head
from services.events import topics
from services.events.batches import Range, encode_batch
from services.events.outgoing import OutFact
from services.ingest.batcher import Batcher, Layout, RawRecord, Totals
from services.meters.fold import PartitionFold
from services.meters.rules import FOREVER_MS, Rules
from services.meters.twins import Twins

DAY_MS = 86_400_000

Facts = list[dict[str, Any]]


class Pipeline:
    """One raw partition, P batches partitions, each with its fold."""

    def __init__(
        self, partitions: int = 1, pages: int = 4, cap_ms: int | None = None, lateness_ms: int = 10 * 366 * DAY_MS,
        twins: Twins | None = None,
    ) -> None:  # fmt: skip
        self.twins = twins
        self.layout = Layout((1,), pages, partitions)
        self.cap_ms = FOREVER_MS if cap_ms is None else cap_ms
        self.rules = Rules(lateness_ms=lateness_ms)
        self.batcher = Batcher(self.layout, lateness_ms, generation=1, names=("-",))
        self.batcher.begin((0, 0), 0, begins=True, totals=Totals())
        self.folds = [self._fold(number) for number in range(partitions)]
        self.state: list[tuple[bytes | None, dict[int, bytes]]] = [(None, {}) for _ in range(partitions)]
        self.published: list[OutFact] = []
        self.read = self.sent = 0

    def _fold(self, number: int) -> PartitionFold:
        return PartitionFold(self.rules, number, self.layout.pages, self.layout.partitions, 1, cap_ms=self.cap_ms, twins=self.twins)

    def send(self, lines: Iterable[bytes], log_ms: int | None = None) -> None:
        """One poll: these lines in one message for each partition. Log time: each event's own time, or this one."""
        for line in lines:
            at_ms = read_head(line)[2] if log_ms is None else log_ms
            assert at_ms is not None
            self.batcher.add(RawRecord(0, 0, self.read, at_ms, line))
            self.read += 1
        batches, rejected = self.batcher.take(0, 0)
        self.published += rejected
        for number, batch in enumerate(batches):
            self.published += self.apply(number, encode_batch(batch))
        self.sent += 1

    def apply(self, number: int, value: bytes) -> Iterable[OutFact]:
        """One message to one fold."""
        return self.folds[number].apply(value, self.sent)

    def close(self) -> None:
        """Nothing more comes: the watermark passes all there is (or stops at the cap)."""
        batches, _ = self.batcher.take(0, 0)
        for fold, batch in zip(self.folds, batches, strict=True):
            batch.ranges = [Range(0, 0, self.read, self.read, self.read == 0, None, None, self.cap_ms, idle=False)]
            self.published += fold.apply(encode_batch(batch), self.sent)
        self.sent += 1

    def save(self, *, position: bool = True) -> None:
        """Write dirty pages, and the position after them; without it, as if killed in between."""
        for number, fold in enumerate(self.folds):
            old_position, pages = self.state[number]
            pages = pages | dict(fold.take_dirty())
            self.state[number] = (fold.position() if position else old_position, pages)

    def restart(self) -> None:
        """New folds from the saved state."""
        self.folds = [self._fold(number) for number in range(self.layout.partitions)]
        for fold, (position, pages) in zip(self.folds, self.state, strict=True):
            fold.restore(position, pages)


def folded(published: Iterable[OutFact]) -> Facts:
    """The facts as a consumer keeps them: the highest revision of an id, without voids, revisions and the ledger; by topic and id.

    An id and revision seen twice must have the same content (T6).
    """
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for fact in published:
        if fact.topic == topics.LEDGER:
            continue
        body = json.loads(fact.value)
        key = (fact.topic, fact.key.decode())
        held = newest.get(key)
        assert held is None or held["revision"] != body["revision"] or held == body, f"two contents of one revision: {held} and {body}"
        if held is None or body["revision"] > held["revision"]:
            newest[key] = body
    live = [(key, body) for key, body in newest.items() if body["status"] != "void"]
    return [{"topic": key[0]} | {name: value for name, value in body.items() if name != "revision"} for key, body in sorted(live, key=lambda item: item[0])]


def run(messages: Sequence[Sequence[bytes]], **options: Any) -> Facts:
    """All messages in a row, then the close."""
    pipeline = Pipeline(**options)
    for lines in messages:
        pipeline.send(lines)
    pipeline.close()
    return folded(pipeline.published)

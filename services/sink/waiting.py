"""Rows that were read and are not inserted yet, and the offsets that may be committed once they are. Pure.

Rule: an offset may be committed when every row below it that this process read is inserted; a partition that is taken away is forgotten whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.sink.rows import Row

Partition = tuple[str, int]
"""(topic, partition)."""


@dataclass(slots=True)
class Waiting:
    """`since_s`: when the oldest row came, by the caller's clock; meaningless while there are none."""

    rows: dict[Partition, list[Row]] = field(default_factory=lambda: defaultdict(list))
    next_offsets: dict[Partition, int] = field(default_factory=dict)
    inserted: dict[Partition, int] = field(default_factory=dict)
    count: int = 0
    size_bytes: int = 0
    since_s: float = 0.0

    def add(self, partition: Partition, offset: int, row: Row, size_bytes: int, now_s: float) -> None:
        if not self.count:
            self.since_s = now_s
        self.rows[partition].append(row)
        self.next_offsets[partition] = offset + 1
        self.count += 1
        self.size_bytes += size_bytes

    def by_topic(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for (topic, _), rows in self.rows.items():
            found[topic] += rows
        return found

    def topic_done(self, topic: str) -> None:
        """All rows of the topic are inserted: its offsets may be committed."""
        for partition in [found for found in self.rows if found[0] == topic]:
            self.count -= len(self.rows.pop(partition))
            self.inserted[partition] = self.next_offsets.pop(partition)
        if not self.count:
            self.size_bytes = 0

    def forget(self, partitions: Sequence[Partition]) -> None:
        """They are another's now, who reads from the committed offsets."""
        for partition in partitions:
            self.count -= len(self.rows.pop(partition, ()))
            self.next_offsets.pop(partition, None)
            self.inserted.pop(partition, None)
        if not self.count:
            self.size_bytes = 0

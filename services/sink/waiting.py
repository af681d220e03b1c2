"""Facts that were read and are not inserted yet, and the offsets that may be committed once they are. Pure.

Rule: an offset may be committed when every fact below it that this process read is inserted; a partition that is taken away is forgotten whole.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Partition = tuple[str, int]
"""(topic, partition)."""


@dataclass(slots=True)
class Read:
    """What was read of one partition. The values are as they came, one object a fact, and are decoded when they are inserted."""

    values: list[bytes | None] = field(default_factory=list)
    offsets: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class Waiting:
    """`since_s`: when the oldest fact came, by the caller's clock; meaningless while there are none."""

    reads: dict[Partition, Read] = field(default_factory=lambda: defaultdict(Read))
    inserted: dict[Partition, int] = field(default_factory=dict)
    count: int = 0
    size_bytes: int = 0
    since_s: float = 0.0

    def add(self, partition: Partition, offset: int, value: bytes | None, now_s: float) -> None:
        if not self.count:
            self.since_s = now_s
        read = self.reads[partition]
        read.values.append(value)
        read.offsets.append(offset)
        self.count += 1
        self.size_bytes += len(value or b"")

    def by_topic(self) -> dict[str, list[bytes | None]]:
        found: dict[str, list[bytes | None]] = defaultdict(list)
        for (topic, _), read in self.reads.items():
            found[topic] += read.values
        return found

    def places(self, topic: str) -> Iterator[tuple[int, int, bytes | None]]:
        """(partition, offset, value) of every fact of a topic."""
        for (found, partition), read in self.reads.items():
            if found == topic:
                for offset, value in zip(read.offsets, read.values, strict=True):
                    yield partition, offset, value

    def topic_done(self, topic: str) -> None:
        """All facts of the topic are inserted: its offsets may be committed."""
        for partition in [found for found in self.reads if found[0] == topic]:
            read = self.reads.pop(partition)
            self.count -= len(read.values)
            self.inserted[partition] = read.offsets[-1] + 1
        if not self.count:
            self.size_bytes = 0

    def forget(self, partitions: Sequence[Partition]) -> None:
        """They are another's now, who reads from the committed offsets."""
        for partition in partitions:
            if (read := self.reads.pop(partition, None)) is not None:
                self.count -= len(read.values)
            self.inserted.pop(partition, None)
        if not self.count:
            self.size_bytes = 0

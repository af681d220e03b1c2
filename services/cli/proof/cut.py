"""Where the work stands: the newest lines of the ledger, and for each part of it a cut, the state that is proven (SPEC §7). Pure.

All lines of a processor's batches partition that carry one revision were written at one instant of its work. They say what it had read of every raw
partition, and its watermark then; what it had published by then is a function of these (T6), however much the system has moved on since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.cli.offsets import Where
from services.events.times import parse_ms
from services.meters.rules import FOREVER_MS

Line = Any
"""A row of the ledger."""
OFFSET_BITS: Final = 48
_GROUPS_KEPT: Final = 3


class Cut:
    """How far each part had come: `ingest` by raw partition, `processors` by batches partition and raw partition."""

    def __init__(self, ingest: Mapping[Where, Line], processors: Mapping[int, Mapping[Where, Line]]) -> None:
        self.ingest, self.processors = ingest, processors

    def version(self, partition: int) -> int:
        """The revision of the partition's lines: facts of it up to there belong to the cut."""
        return max((line.revision for line in self.processors[partition].values()), default=-1)

    def next_batch(self, partition: int) -> int:
        """The batches offset behind the cut."""
        return (self.version(partition) & ((1 << OFFSET_BITS) - 1)) + 1

    def watermark_ms(self, partition: int) -> int:
        """The partition's watermark then."""
        texts = {line.watermark for line in self.processors[partition].values()}
        return min((-FOREVER_MS if text is None else parse_ms(text) for text in texts), default=-FOREVER_MS)

    def least_watermark_ms(self, partitions: int) -> int:
        """What every batches partition has passed."""
        return min(self.watermark_ms(partition) if partition in self.processors else -FOREVER_MS for partition in range(partitions))

    def stops(self) -> dict[Where, dict[int, int]]:
        """Raw partition → batches partition → first offset behind the cut; ingest is -1."""
        found: dict[Where, dict[int, int]] = {}
        for partition, where, line in self._lines():
            found.setdefault(where, {})[partition] = line.to_offset
        return found

    def _lines(self) -> Iterator[tuple[int, Where, Line]]:
        yield from ((-1, where, line) for where, line in self.ingest.items())
        yield from ((partition, where, line) for partition, lines in self.processors.items() for where, line in lines.items())


class Lines:
    """The ledger topic, folded: the newest line of each id, and of each batches partition the last complete set of lines."""

    def __init__(self) -> None:
        self.newest: dict[str, Line] = {}
        self._groups: dict[int, dict[int, dict[Where, Line]]] = {}
        self._sources: dict[int, set[Where]] = {}

    def add(self, line: Line) -> None:
        """One record of the topic."""
        held = self.newest.get(line.ledger_id)
        if held is None or line.revision >= held.revision:
            self.newest[line.ledger_id] = line
        if line.stage == "processor":
            where = (line.source_topic, line.source_partition)
            self._sources.setdefault(line.batches_partition, set()).add(where)
            groups = self._groups.setdefault(line.batches_partition, {})
            groups.setdefault(line.revision, {})[where] = line
            if len(groups) > _GROUPS_KEPT:
                del groups[min(groups)]

    def cut(self) -> Cut:
        """The newest complete one."""
        ingest = {(line.source_topic, line.source_partition): line for line in self.newest.values() if line.stage == "ingest"}
        processors = {}
        for partition, groups in self._groups.items():
            whole = [revision for revision, lines in groups.items() if len(lines) == len(self._sources[partition])]
            if whole:
                processors[partition] = groups[max(whole)]
        return Cut(ingest, processors)

"""How far time has come: the progress of every raw partition, the watermark, the least log time (SPEC T1, T2, T4, T7). Pure; bounded by the raw partitions.

Also the fence: `covered`, the raw offset up to which a raw partition's events are in the state (DESIGN §2).
"""

from __future__ import annotations

import msgspec

from services.events.batches import Range
from services.events.topics import RAW_TOPICS
from services.meters.rules import FOREVER_MS, Rules


class Source(msgspec.Struct, array_like=True, gc=False):
    """What is known of one raw partition. The totals are those of the ledger."""

    covered: int | None = None
    """Next raw offset to apply; None: nothing was heard yet."""
    progress_ms: int = -FOREVER_MS
    log_ms: int | None = None
    log_wall_ms: int = 0
    """Log time of the last record, and the ingest's clock when it came (T7)."""
    first: int = 0
    accepted: int = 0
    applied: int = 0
    missing: int = 0
    """Ranges that were not applied because their predecessor is missing."""
    log_id: str = ""
    """Of the raw topic that `covered` counts in; empty: not told yet."""


class LogReplaced(Exception):
    """A raw topic was deleted and made anew: offsets of the new one say nothing about what is in the state. `str()` says what to do."""


class Clock(msgspec.Struct, array_like=True, gc=False):
    """Time as the batches of one partition tell it."""

    sources: dict[str, Source]
    """By `topic index/partition`."""
    expected: int = 0
    """How many raw partitions there are: the watermark waits for all of them."""
    watermark_ms: int = -FOREVER_MS
    tick_ms: int = 0
    wall_ms: int = 0

    def source(self, range_: Range) -> Source:
        """The raw partition of a range. Raises `LogReplaced`."""
        name = f"{range_.topic}/{range_.partition}"
        found = self.sources.get(name)
        if found is None:
            found = self.sources[name] = Source()
        if range_.log_id and range_.log_id != found.log_id:
            if found.log_id:
                raise LogReplaced(
                    f"{RAW_TOPICS[range_.topic]}/{range_.partition} was deleted and made anew, and the state holds what the old one said up to offset "
                    f"{found.covered}. Nothing of the new one is applied: restore the old topic, or rebuild from the log with a higher generation."
                )
            found.log_id = range_.log_id
        return found

    def heard(self, range_: Range, source: Source, rules: Rules) -> None:
        """A range was applied: move its source on."""
        if source.covered is None or range_.stop > source.covered:
            source.covered = range_.stop
        if range_.newest_ms is not None:
            source.progress_ms = max(source.progress_ms, range_.newest_ms - rules.out_of_orderness_ms)
        if range_.closed_ms is not None:
            source.progress_ms = max(source.progress_ms, range_.closed_ms)
        if range_.idle:
            source.progress_ms = max(source.progress_ms, self.tick_ms - rules.out_of_orderness_ms)
        if range_.log_ms is not None:
            source.log_ms, source.log_wall_ms = range_.log_ms, self.wall_ms
        elif range_.idle and source.log_ms is not None and self.wall_ms > source.log_wall_ms:
            # T7: only who is known to have nothing unread runs on; a backlog may hold events that are still to be judged by their own log time.
            source.log_ms, source.log_wall_ms = source.log_ms + self.wall_ms - source.log_wall_ms, self.wall_ms

    def advance(self, cap_ms: int) -> int:
        """T2: the watermark, which never goes back; `cap_ms` stops it early."""
        if self.expected and len(self.sources) >= self.expected:
            least = min(source.progress_ms for source in self.sources.values())
            self.watermark_ms = max(self.watermark_ms, min(least, cap_ms))
        return self.watermark_ms

    def least_log_ms(self) -> int:
        """T4, T7: the log time that every raw partition with records has reached; a quiet one runs on with the ticks.

        One of which nothing is known yet may hold records of any time: until it was read, or found empty (idle), nothing is let go.
        """
        if len(self.sources) < self.expected or any(source.log_ms is None and source.progress_ms == -FOREVER_MS for source in self.sources.values()):
            return -FOREVER_MS
        times = [source.log_ms for source in self.sources.values() if source.log_ms is not None]
        return min(times, default=-FOREVER_MS)

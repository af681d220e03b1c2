"""The fold of one batches partition: `apply(message) -> facts` (DESIGN §2, SPEC T2-T6). Pure: same state and same messages, same facts and same bytes.

Holds the fence (`covered`), time (`Clock`), the pages, and one heap of what falls due by the watermark. Who saves what when is the worker's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import Final

from services.events import topics
from services.events.batches import Batch, PageEvents, Range, decode_batch
from services.events.event import Event
from services.events.outgoing import OutFact
from services.meters.ledger import processor_lines
from services.meters.page import Key, Move, Page
from services.meters.publish import publish
from services.meters.records import Change
from services.meters.rules import FOREVER_MS, HOUR_MS, Rules
from services.meters.state import STATE_VERSION, PositionState, StateCorrupt, open_page, open_position, seal, version_of
from services.meters.watermark import Clock, Source

GENERATION_BITS: Final = 48
LEDGER_EVERY_MS: Final = 5_000
"""Clock between two ledger lines: often enough to look at, rare beside the facts."""
SWEEP_EVERY_MS: Final = HOUR_MS
"""Log time between two sweeps for what T4 lets go: a sweep looks at every page."""


class PartitionFold:
    """State of one batches partition. `pages` and `partitions` are those of the whole topic; `cap_ms` keeps the watermark back."""

    def __init__(self, rules: Rules, partition: int, pages: int, partitions: int, generation: int, cap_ms: int = FOREVER_MS) -> None:
        self._rules, self._partition, self._cap_ms = rules, partition, cap_ms
        self._base = generation << GENERATION_BITS
        self._pages: dict[int, Page] = {}
        self._versions: dict[int, int] = {}
        self._clock = Clock({})
        self._next: int | None = None
        self._due: list[tuple[int, int, Key]] = []
        self._ledger_wall_ms = 0
        self._swept_ms = -FOREVER_MS

    def restore(self, position: bytes | None, pages: Mapping[int, bytes]) -> None:
        """Begin from the newest records. Raises `StateCorrupt` for a bad checksum, and for a page older than the position lists."""
        if position is not None:
            state = open_position(position)
            self._next, self._clock, self._ledger_wall_ms, self._swept_ms = state.next_offset, state.clock, state.ledger_wall_ms, state.swept_ms
            self._versions = state.versions
        for page, listed in self._versions.items():
            if page not in pages or version_of(pages[page]) < listed:
                raise StateCorrupt(f"Page {page} of partition {self._partition} is older than its position says. Rebuild the state from the log.")
        for page, record in pages.items():
            loaded = Page.load(open_page(page, record), version_of(record), self._clock.watermark_ms, self._rules)
            self._pages[page] = loaded
            self._due += [(due, page, key) for due, key in loaded.keys() if due < FOREVER_MS]
        heapify(self._due)

    def next_offset(self) -> int | None:
        """The batches offset that the position expects next; None: nothing was ever applied."""
        return self._next

    def apply(self, value: bytes, offset: int) -> list[OutFact]:
        """Fold one message in; what is to be published, with revisions that come from the message's offset (F3)."""
        return self.apply_batch(decode_batch(value), offset)

    def apply_batch(self, batch: Batch, offset: int) -> list[OutFact]:
        """`apply` for a message that is decoded already."""
        version = self._base + offset
        self._next = offset + 1
        fresh = self._fence(batch)
        from_ms = self._clock.watermark_ms
        to_ms = self._clock.advance(self._cap_ms)
        found: list[Change] = []
        for mine in batch.pages:
            events = self._unseen(mine, fresh, batch.ranges)
            page = self._page(mine.page)
            if events and page.version < version:
                found += page.fold(events, self._move(from_ms, to_ms, mine.page))
        found += self._wake(from_ms, to_ms, version)
        self._sweep()
        facts = publish(found, version, self._base)
        return facts + self._ledger(batch, version)

    def take_dirty(self) -> list[tuple[int, bytes]]:
        """(page, record) of every page changed since the last call."""
        assert self._next is not None
        version = self._base + self._next - 1
        records = []
        for number, page in self._pages.items():
            # A page that came back newer than the position is still ahead of the messages: its record stays.
            if page.dirty and page.version < version:
                page.dirty, page.version = False, version
                self._versions[number] = version
                records.append((number, seal(version, page.dump(self._clock.watermark_ms))))
        return records

    def position(self) -> bytes:
        """Where this partition stands, for everything applied so far."""
        assert self._next is not None
        state = PositionState(STATE_VERSION, self._next, self._clock, self._ledger_wall_ms, self._swept_ms, self._versions)
        return seal(self._base + self._next - 1, state)

    def status(self) -> dict[str, object]:
        """For people: time, and what stands in the way."""
        return {
            "watermark_ms": self._clock.watermark_ms,
            "least_log_ms": self._clock.least_log_ms(),
            "sources_known": len(self._clock.sources),
            "sources_expected": self._clock.expected,
            "ranges_missing": sum(source.missing for source in self._clock.sources.values()),
            "pages": len(self._pages),
            "open": sum(len(page.meters) for page in self._pages.values()),
        }

    def _fence(self, batch: Batch) -> dict[int, int]:
        """For each range by index: the first raw offset that is new here. A range whose predecessor is missing is not applied (it will come again)."""
        self._clock.expected = sum(batch.layout)
        self._clock.tick_ms = max(self._clock.tick_ms, batch.tick_ms)
        self._clock.wall_ms = max(self._clock.wall_ms, batch.wall_ms)
        fresh: dict[int, int] = {}
        for index, range_ in enumerate(batch.ranges):
            source = self._clock.source(range_)
            if source.covered is None and range_.begins:
                source.covered = source.first = range_.start
            if source.covered is None or range_.start > source.covered:
                source.missing += 1
                continue
            fresh[index] = source.covered
            self._clock.heard(range_, source, self._rules)
        return fresh

    def _unseen(self, mine: PageEvents, fresh: dict[int, int], ranges: list[Range]) -> list[Event]:
        """The events that are not in the state yet. Keeps the ledger: accepted = applied + covered."""
        events: list[Event] = []
        for index, offset, event in zip(mine.ranges, mine.offsets, mine.events, strict=True):
            first = fresh.get(index)
            if first is None:
                continue
            source = self._source(ranges[index])
            source.accepted += 1
            if offset >= first:
                source.applied += 1
                events.append(event)
        return events

    def _source(self, range_: Range) -> Source:
        return self._clock.source(range_)

    def _page(self, number: int) -> Page:
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = Page()
        return page

    def _move(self, from_ms: int, to_ms: int, number: int) -> Move:
        def look_again(due_ms: int, key: Key) -> None:
            if due_ms < FOREVER_MS:
                heappush(self._due, (due_ms, number, key))

        return Move(from_ms, to_ms, self._rules, look_again)

    def _wake(self, from_ms: int, to_ms: int, version: int) -> list[Change]:
        found: list[Change] = []
        while self._due and self._due[0][0] <= to_ms:
            _, number, key = heappop(self._due)
            page = self._page(number)
            if page.version < version:
                found += page.wake(key, self._move(from_ms, to_ms, number))
        return found

    def _sweep(self) -> None:
        least = self._clock.least_log_ms()
        if least < self._swept_ms + SWEEP_EVERY_MS:
            return
        self._swept_ms = least
        for page in self._pages.values():
            page.evict(least, self._clock.watermark_ms, self._rules)

    def _ledger(self, batch: Batch, version: int) -> list[OutFact]:
        if batch.wall_ms < self._ledger_wall_ms + LEDGER_EVERY_MS:
            return []
        self._ledger_wall_ms = batch.wall_ms
        return processor_lines(self._partition, self._clock, version, topics.RAW_TOPICS)

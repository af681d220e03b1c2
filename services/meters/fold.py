"""The fold of one batches partition: `apply(message) -> facts` (DESIGN §2, SPEC T2-T6). Pure: same state and same messages, same facts and same bytes.

Holds the fence (`covered`), time (`Clock`), and what the partition's pages say: `Talks` and `Teams`. Who saves what when is the worker's business.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Final

from msgspec import Raw

from services.events import topics
from services.events.batches import OFFSETS, PAGES, Batch, decode_batch, unpack
from services.events.event import FIRST_AGENT, FIRST_ALERT, Event, Kind
from services.events.outgoing import OutFact
from services.meters.alerts import alert_session
from services.meters.ledger import processor_lines
from services.meters.publish import in_order, publish
from services.meters.records import Change
from services.meters.rules import FOREVER_MS, HOUR_MS, Rules
from services.meters.state import (
    STATE_VERSION,
    PageState,
    PositionState,
    Settled,
    StateCorrupt,
    open_page,
    open_position,
    seal,
    seal_page,
    version_of,
)
from services.meters.twins import Twins, fastest
from services.meters.watermark import Clock, Source

GENERATION_BITS: Final = 48
LEDGER_EVERY_MS: Final = 5_000
"""Clock between two ledger lines: often enough to look at, rare beside the facts."""
TURNS_MAX: Final = 16
"""Most epochs until a changed page is written: what a restart has to fold again."""
SWEEP_EVERY_MS: Final = HOUR_MS
"""Log time between two sweeps for what T4 lets go."""

_Whole = tuple[int, Event]
"""(page, event) of an alert or an agent."""
_WHOLE_KINDS: Final = re.compile(b"[^" + bytes(range(FIRST_ALERT)) + b"]")
"""Their kinds in a column of kinds, where they are few."""


class PartitionFold:
    """State of one batches partition. `pages`, `partitions` and `batches_id` are those of the whole topic; `cap_ms` keeps the watermark back.

    `twins`: those of the hot path; without, the fastest there are.
    """

    def __init__(
        self, rules: Rules, partition: int, pages: int, partitions: int, generation: int, cap_ms: int = FOREVER_MS, batches_id: str = "",
        twins: Twins | None = None,
    ) -> None:  # fmt: skip
        self._rules, self._partition, self._cap_ms, self._batches_id = rules, partition, cap_ms, batches_id
        self._base = generation << GENERATION_BITS
        twins = twins or fastest()
        self._talks, self._teams = twins.talks(rules), twins.teams(rules)
        self._versions: dict[int, int] = {}
        self._ahead: dict[int, int] = {}
        """Page → version, of pages whose records came back newer than the position: they ignore messages up to there (E2)."""
        self._settled: dict[int, Settled] = {}
        """By page; none where many of the settled talks were let go."""
        self._clock = Clock({})
        self._next: int | None = None
        self._durable_to: int | None = None
        self._boundary = 0
        """Next offset when records were taken last."""
        self._boundaries: deque[tuple[int, bytes]] = deque()
        """(offset, position record) of the boundaries that are not durable yet, but for the first one."""
        self._dirty_since: dict[int, int] = {}
        """Page → boundary from which on its changes are in no record; in the order of the boundaries."""
        self._dirty_most = 0
        """Most pages that waited at one time since none did."""
        self._ledger_wall_ms = 0
        self._swept_ms = -FOREVER_MS

    def restore(self, position: bytes | None, pages: Mapping[int, bytes]) -> None:
        """Begin from the newest records. Raises `StateCorrupt` for a bad checksum, a page older than the position lists, and a position in another topic."""
        if position is not None:
            state = open_position(position)
            if state.batches_id and self._batches_id and state.batches_id != self._batches_id:
                raise StateCorrupt(f"{topics.BATCHES} was deleted and made anew: offsets of the new one are not those up to which this state goes.")
            self._next, self._clock, self._ledger_wall_ms, self._swept_ms = state.next_offset, state.clock, state.ledger_wall_ms, state.swept_ms
            self._versions = state.versions
            self._boundary = self._durable_to = state.next_offset
        for page, listed in self._versions.items():
            if page not in pages or version_of(pages[page]) < listed:
                raise StateCorrupt(f"Page {page} of partition {self._partition} is older than its position says. Rebuild the state from the log.")
        for page, record in pages.items():
            found, settled_talks, self._settled[page] = open_page(page, record)
            published_ms = max(found.watermark_ms, self._clock.watermark_ms)
            self._talks.load(page, found.talks, settled_talks, published_ms)
            self._teams.load(page, [bytes(workspace) for workspace in found.workspaces], published_ms)
            self._ahead[page] = version_of(record)
        # Records still hold some that were let go: an event for one of them begins anew, as it did or would have done.
        self._let_go()

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
        self._ahead = {page: newest for page, newest in self._ahead.items() if newest >= version}
        sources = [self._clock.source(range_) for range_ in batch.ranges]
        fresh = self._fence(batch, sources)
        from_ms = self._clock.watermark_ms
        to_ms = self._clock.advance(self._cap_ms)
        unseen = self._unseen(batch, sources, fresh)
        facts = self._talks.apply(batch.rows, unseen, from_ms, to_ms, self._ahead.keys(), version)
        whole = self._whole(batch, unseen)
        alerts = [Change(alert_session(event), void=False) for _, event in whole if event.kind is Kind.ALERT_DELIVERED]
        if alerts:
            facts = in_order(facts + publish(alerts, version, self._base))
        # F4: the topics of seats come after those of sessions and conversations.
        facts += self._teams.apply([mine for mine in whole if mine[1].kind >= FIRST_AGENT], from_ms, to_ms, self._ahead.keys(), version)
        self._sweep()
        return facts + self._ledger(batch, version)

    def durable_to(self) -> int | None:
        """Messages below this offset are in the records taken so far, position included; None: there is no position yet."""
        return self._durable_to

    def take_dirty(self, bytes_max: int | None = None) -> list[tuple[int, bytes]]:
        """(page, record) of changed pages, those first that wait the longest: all of them, or until `bytes_max`, but a sixteenth at the least."""
        assert self._next is not None
        self._talks.flush()
        self._mark_dirty()
        self._dirty_most = max(self._dirty_most, len(self._dirty_since))
        records: list[tuple[int, bytes]] = []
        size_bytes = 0
        for page in list(self._dirty_since):
            if bytes_max is not None and size_bytes >= bytes_max and len(records) > self._dirty_most // TURNS_MAX:
                break
            del self._dirty_since[page]
            records.append((page, self._record(page)))
            size_bytes += len(records[-1][1])
        if not self._dirty_since:
            self._dirty_most = 0
        self._set_boundary(self._next)
        return records

    def position(self) -> bytes:
        """Where this partition stood at `durable_to`, for when the records taken so far are written."""
        offset, record = self._boundaries[0]
        assert offset == self._durable_to
        return record

    def _mark_dirty(self) -> None:
        """Whatever changed since the last boundary is not in its record from there on."""
        # A page that came back newer than the position is still ahead of the messages: its record stays.
        changed = {*self._talks.take_changed(self._ahead.keys()), *self._teams.take_changed(self._ahead.keys())}
        for page in sorted(changed):
            self._dirty_since.setdefault(page, self._boundary)

    def _record(self, page: int) -> bytes:
        assert self._next is not None
        version = self._versions[page] = self._base + self._next - 1
        state = PageState(STATE_VERSION, self._clock.watermark_ms, [], list(map(Raw, self._teams.states_of(page))))
        settled = self._settled.get(page)
        # All is packed anew once what came later is as long as the frame of all: a talk is packed about three times, however many there are.
        before = None if settled is None or settled.is_long else settled
        self._settled[page] = seal_page(version, state, self._talks.settle(page, before is None), before)
        return self._settled[page].record

    def _set_boundary(self, offset: int) -> None:
        """Here the next epoch begins. What is durable is the newest boundary of which no page waits for its turn."""
        state = PositionState(STATE_VERSION, offset, self._clock, self._ledger_wall_ms, self._swept_ms, self._versions, self._batches_id)
        if self._boundaries and self._boundaries[-1][0] == offset:
            self._boundaries.pop()
        self._boundaries.append((offset, seal(self._base + offset - 1, state)))
        self._boundary = offset
        durable_to = next(iter(self._dirty_since.values()), offset)
        while self._boundaries and self._boundaries[0][0] < durable_to:
            self._boundaries.popleft()
        if self._boundaries[0][0] == durable_to:
            self._durable_to = durable_to

    def status(self) -> dict[str, object]:
        """For people: time, and what stands in the way."""
        return {
            "watermark_ms": self._clock.watermark_ms,
            "least_log_ms": self._clock.least_log_ms(),
            "sources_known": len(self._clock.sources),
            "sources_expected": self._clock.expected,
            "ranges_missing": sum(source.missing for source in self._clock.sources.values()),
            "pages": len(self._versions),
            "open": self._talks.count,
        }

    def _fence(self, batch: Batch, sources: list[Source]) -> list[int | None]:
        """For each range: the first raw offset that is new here. None: its predecessor is missing, so it is not applied (it will come again)."""
        self._clock.expected = sum(batch.layout)
        self._clock.tick_ms = max(self._clock.tick_ms, batch.tick_ms)
        self._clock.wall_ms = max(self._clock.wall_ms, batch.wall_ms)
        fresh: list[int | None] = []
        for range_, source in zip(batch.ranges, sources, strict=True):
            if source.covered is None and range_.begins:
                source.covered = source.first = range_.start
            if source.covered is None or range_.start > source.covered:
                source.missing += 1
                fresh.append(None)
                continue
            fresh.append(source.covered)
            self._clock.heard(range_, source, self._rules)
        return fresh

    def _unseen(self, batch: Batch, sources: list[Source], fresh: list[int | None]) -> bytes:
        """For each row 1, or 0 where it is in the state already. Keeps the ledger: accepted = applied + covered."""
        offsets = unpack(OFFSETS, batch.rows.offsets)
        unseen = bytearray()
        for index, rows in batch.rows.runs:
            first = fresh[index]
            if first is None:
                unseen += bytes(rows)
                continue
            at = len(unseen)
            whole = first <= batch.ranges[index].start
            new = b"\1" * rows if whole else bytes([offset >= first for offset in offsets[at : at + rows]])
            sources[index].accepted += rows
            sources[index].applied += new.count(1)
            unseen += new
        if self._ahead:
            pages = unpack(PAGES, batch.rows.pages)
            unseen = bytearray(new and page not in self._ahead for new, page in zip(unseen, pages, strict=True))
        return bytes(unseen)

    def _whole(self, batch: Batch, unseen: bytes) -> list[_Whole]:
        """The alerts and agents among the rows that are not in the state yet."""
        rows = batch.rows
        if not rows.events:
            return []
        pages = unpack(PAGES, rows.pages)
        places = (found.start() for found in _WHOLE_KINDS.finditer(rows.kinds))
        return [(pages[row], event) for row, event in zip(places, rows.events, strict=True) if unseen[row]]

    def _sweep(self) -> None:
        least = self._clock.least_log_ms()
        if least < self._swept_ms + SWEEP_EVERY_MS:
            return
        self._swept_ms = least
        self._let_go()
        self._teams.sweep(least, self._clock.watermark_ms)

    def _let_go(self) -> None:
        # A page is written and packed anew only once it pays: when every sweep did that, all pages were, each hour, and an event's state cost four times
        # as much as before the first talk of the log was let go.
        for page in self._talks.sweep(self._swept_ms):
            self._settled.pop(page, None)

    def _ledger(self, batch: Batch, version: int) -> list[OutFact]:
        # E8: who closes the log wants to see it balanced.
        closed = any(range_.closed_ms is not None for range_ in batch.ranges)
        if not closed and batch.wall_ms < self._ledger_wall_ms + LEDGER_EVERY_MS:
            return []
        self._ledger_wall_ms = batch.wall_ms
        return processor_lines(self._partition, self._clock, version, topics.RAW_TOPICS)

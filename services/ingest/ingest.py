"""The shell around `batcher`: polls, what goes out, what may be committed (DESIGN §2). No Kafka here: see `ports`.

Order of effects: send a poll's messages, refusals and ledger lines; wait until all are acknowledged; only then commit the raw offsets, polls in order.
A crash between any two reads the same offsets again, with other cuts, which the processors' fence makes harmless.
Any failed delivery ends the process, because the broker may have taken a later message: the successor sends all of it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

import structlog

from services.events import topics
from services.events.batches import encode_batch
from services.events.outgoing import OutFact
from services.events.partitioning import fact_partition
from services.ingest import metrics
from services.ingest.batcher import Batcher, Layout, RawPartition, Totals
from services.ingest.ledger import dump_metadata, ingest_line, load_metadata
from services.ingest.limits import RefusalLimits
from services.ingest.pending import Pending
from services.ingest.ports import LogLost, Mark, Ports, RawValue, Run, Start, replaced
from services.native import load
from services.runtime.errors import Unavailable
from services.runtime.kafka import TIMEOUT_S
from services.runtime.settings import Settings

HISTORY_MS: Final = 72 * 3_600_000
"""T1: when the newest log time is further than this behind the clock, ticks carry it instead."""
LEDGER_EVERY_S: Final = 5.0
_SERVE_S: Final = 0.05
_LOG_MS: Final = itemgetter(1)

_log = structlog.get_logger(__name__)


class Ingest:
    """The work on the raw partitions that this process owns. `counts`: partitions of every topic."""

    def __init__(self, settings: Settings, counts: Mapping[str, int], ports: Ports) -> None:
        self._settings, self._ports, self._clock = settings, ports, ports.clock
        self._generation = settings.processors.generation
        layout = Layout(tuple(counts[topic] for topic in topics.RAW_TOPICS), settings.processors.pages, counts[topics.BATCHES])
        self._facts_partitions = {topic: counts[topic] for topic in topics.FACT_TOPICS}
        self._batcher = Batcher(layout, settings.rules.lateness_ms, self._generation, limits=RefusalLimits.of(settings.ingest))
        self._pending: deque[Pending] = deque()
        self._newest_log_ms: int | None = None
        self._heard_at: dict[RawPartition, float] = {}
        self._told: dict[RawPartition, int] = {}
        self._log_ids: dict[RawPartition, str] = {}
        self._torn = False
        """Something is read and not sent: true for good after an error in between."""
        self._ticked_at = self._told_at = self._clock.monotonic_s()
        ports.source.join(self)

    def poll(self) -> None:
        """Read for one poll, send what came of it, commit what is acknowledged."""
        limits = self._settings.ingest
        try:
            runs = self._ports.source.read(limits.poll_events_max, limits.poll_ms / 1000)
        except Exception:
            # Whose partitions they are now is not known: closing commits nothing more.
            self._torn = True
            raise
        self._torn = True
        self._add(runs)
        if runs or self._clock.monotonic_s() - self._ticked_at >= limits.tick_s:
            self._send()
        self._torn = False
        self._ports.outgoing.serve(0)
        self._commit()
        while len(self._pending) >= limits.in_flight_max:
            self._ports.outgoing.serve(_SERVE_S)
            self._commit()

    def settle(self) -> None:
        """Wait until everything sent is acknowledged, and commit it."""
        self._tell_ledger()
        if not self._ports.outgoing.flush(TIMEOUT_S * 2):
            raise Unavailable("Kafka did not acknowledge the last messages in time; nothing is lost, the next start reads them again.")
        self._commit()

    def close(self) -> None:
        """Leave the group."""
        self._ports.source.close()

    def checks(self) -> dict[str, bool]:
        """For /readyz."""
        return {"assigned": bool(self._batcher.totals), "acknowledged": len(self._pending) < self._settings.ingest.in_flight_max}

    def status(self) -> dict[str, object]:
        """For /status.json."""
        positions = {f"{topics.RAW_TOPICS[raw[0]]}/{raw[1]}": offset for raw, offset in self._batcher.positions().items()}
        return {"positions": positions, "polls_in_flight": len(self._pending), "newest_log_ms": self._newest_log_ms}

    def assigned(self, starts: Mapping[RawPartition, Start]) -> dict[RawPartition, int]:
        """Go on where the group committed; in a partition that nobody ever committed, at its beginning."""
        now_s = self._clock.monotonic_s()
        for raw, start in starts.items():
            self._begin(raw, start)
            self._heard_at[raw] = now_s
        _log.info("raw partitions assigned", count=len(starts), compiled=load() is not None)
        positions = self._batcher.positions()
        return {raw: positions[raw] for raw in starts}

    def revoked(self, raws: Sequence[RawPartition]) -> None:
        """Everything read is sent and acknowledged before another process reads on."""
        if self._torn:
            # An error ends the process, and closing gives the partitions away: what was read may not be sent, so nothing more is committed.
            self.lost(raws)
            return
        self.settle()
        if self._pending:
            raise AssertionError("settled, yet polls are pending")
        metadata = self._metadata()
        done = {raw: Mark(offset, metadata[raw]) for raw, offset in self._batcher.positions().items()}
        if done:
            self._ports.committer.commit(done, wait=True)
        self._drop(raws)

    def lost(self, raws: Sequence[RawPartition]) -> None:
        """Another process may read there already: what is under way is harmless, committing is not ours any more."""
        self._pending.clear()
        self._drop(raws)

    def _begin(self, raw: RawPartition, start: Start) -> None:
        begins = start.committed is None
        offset = start.low if start.committed is None else start.committed
        if offset < start.low:
            raise LogLost(
                f"{topics.RAW_TOPICS[raw[0]]}/{raw[1]}: offsets {offset} to {start.low} were deleted before they were read. "
                "Restore them; or accept the loss, and meter what is left anew: `quarterhour rebuild`."
            )
        totals, log_ms, log_id = (Totals(first=offset), None, "") if begins else load_metadata(start.metadata)
        if log_id and start.log_id and log_id != start.log_id:
            raise LogLost(replaced(topics.RAW_TOPICS[raw[0]]))
        self._log_ids[raw] = start.log_id
        self._batcher.begin(raw, offset, begins=begins or offset == totals.first, totals=totals, log_id=start.log_id)
        if log_ms is not None:
            self._newest_log_ms = max(log_ms, self._newest_log_ms or 0)

    def _add(self, runs: Iterable[Run]) -> None:
        """Into the batcher, sending in between where a message would grow too large."""
        size_bytes_max = self._settings.ingest.poll_bytes_max
        size_bytes = 0
        for run in runs:
            records = self._unread(run)
            while records:
                count, size_bytes = _fitting(records, size_bytes, size_bytes_max)
                fitting, records = (records, []) if count == len(records) else (records[:count], records[count:])
                self._batcher.add_run(run.raw, fitting)
                self._heard_log_time(max(map(_LOG_MS, fitting)))
                if size_bytes >= size_bytes_max:
                    self._send()
                    size_bytes = 0

    def _unread(self, run: Run) -> list[RawValue]:
        """Without what was fetched before a rebalance: whoever has the partition now reads it, or it is read again here."""
        position = self._batcher.positions().get(run.raw)
        if position is None:
            return []
        self._heard_at[run.raw] = self._clock.monotonic_s()
        if run.records[0][0] >= position:
            return run.records
        return [record for record in run.records if record[0] >= position]

    def _heard_log_time(self, log_ms: int) -> None:
        if self._newest_log_ms is None or log_ms > self._newest_log_ms:
            self._newest_log_ms = log_ms

    def _send(self) -> None:
        """One message to every batches partition: what was read, or only how far time has come."""
        positions = dict(self._batcher.positions())
        if not positions:
            return
        now_ms = self._clock.wall_ms()
        behind = self._newest_log_ms is not None and now_ms - self._newest_log_ms > HISTORY_MS
        tick_ms = self._newest_log_ms if behind and self._newest_log_ms is not None else now_ms
        batches, rejected = self._batcher.take(tick_ms, now_ms, self._idle(positions))
        pending = Pending(positions, self._metadata(), self._ports.end)
        self._pending.append(pending)
        for partition, batch in enumerate(batches):
            metrics.EVENTS.inc(len(batch.rows.kinds))
            self._produce(pending, topics.BATCHES, partition, None, encode_batch(batch))
        metrics.REJECTED.inc(len(rejected))
        self._publish(pending, rejected)
        self._ticked_at = self._clock.monotonic_s()
        # E8: who closes the log wants to see it balanced.
        closed = any(range_.closed_ms is not None for range_ in batches[0].ranges)
        if closed or self._ticked_at - self._told_at >= LEDGER_EVERY_S:
            self._tell_ledger()

    def _metadata(self) -> dict[RawPartition, str]:
        return {raw: dump_metadata(totals, self._newest_log_ms, self._log_ids[raw]) for raw, totals in self._batcher.totals.items()}

    def _idle(self, positions: Mapping[RawPartition, int]) -> frozenset[RawPartition]:
        """T2: the raw partitions that have been read to their end for `idle_after`."""
        now_s = self._clock.monotonic_s()
        idle = set()
        for raw, offset in positions.items():
            if now_s - self._heard_at[raw] >= self._settings.ingest.idle_after_s:
                end = self._ports.source.end_of(raw)
                if end is not None and end <= offset:
                    idle.add(raw)
        return frozenset(idle)

    def _tell_ledger(self) -> None:
        """A line for every raw partition that moved. Lost with a crash, the next one says the same and more."""
        lines = []
        for raw, offset in self._batcher.positions().items():
            if self._told.get(raw) != offset:
                lines.append(ingest_line(raw, self._batcher.totals[raw], offset, self._generation))
                self._told[raw] = offset
        pending = self._pending[-1] if self._pending else Pending({}, {}, self._ports.end)
        self._publish(pending, lines)
        self._told_at = self._clock.monotonic_s()

    def _publish(self, pending: Pending, facts: Iterable[OutFact]) -> None:
        for fact in facts:
            self._produce(pending, fact.topic, fact_partition(fact.workspace_id, self._facts_partitions[fact.topic]), fact.key, fact.value)

    def _produce(self, pending: Pending, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        pending.sent += 1
        self._ports.outgoing.send(topic, partition, key, value, pending.delivered)

    def _commit(self) -> None:
        """Commit the newest poll of which, and before which, everything is acknowledged."""
        done: Pending | None = None
        while self._pending and self._pending[0].acknowledged():
            done = self._pending.popleft()
        if done is None:
            return
        marks = {raw: Mark(offset, done.metadata[raw]) for raw, offset in done.positions.items() if raw in self._batcher.totals}
        if marks:
            self._ports.committer.commit(marks, wait=False)

    def _drop(self, raws: Iterable[RawPartition]) -> None:
        """Those that were taken over: an error may have come before."""
        for raw in self._log_ids.keys() & set(raws):
            self._batcher.drop(raw)
            self._heard_at.pop(raw, None)
            self._told.pop(raw, None)
            self._log_ids.pop(raw, None)


def _fitting(records: Sequence[RawValue], size_bytes: int, size_bytes_max: int) -> tuple[int, int]:
    """How many of the records go in until the size is reached, and the size with them."""
    for count, (_, _, value) in enumerate(records, 1):
        size_bytes += len(value or b"")
        if size_bytes >= size_bytes_max:
            return count, size_bytes
    return len(records), size_bytes

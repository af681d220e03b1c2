"""The pure stages in memory: ingest's batcher, and the fold with its state records, as the services drive them but without Kafka.

Rule: only the calls of the product are on the watch; making the log and keeping the facts are not. The facts at the end are kept by content, so that
two ways through the product can be compared (`Ending`).
Limit: one process, one batcher, all partitions.
"""

from __future__ import annotations

import cProfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from services.events import topics
from services.events.batches import encode_batch
from services.ingest.batcher import Batcher, Layout, Totals
from services.meters.fold import PartitionFold
from services.meters.rules import FOREVER_MS, Rules
from services.runtime.garbage import collect_rarely
from tests.bench.measure import Watch, peak_rss_mib, settled_rss_bytes
from tests.bench.workload import Workload, records

Raw = tuple[int, int, bytes]
"""(topic, log time, value)."""
Show = Callable[[int], None]

PARTITIONS: Final = 8
PAGES: Final = 1024
LATENESS_MS: Final = 24 * 3_600_000


@dataclass(slots=True)
class Ending:
    """The facts as they stand: of every id the newest content."""

    facts: dict[tuple[str, bytes], bytes] = field(default_factory=dict)

    def put(self, topic: str, key: bytes, value: bytes) -> None:
        """The next revision of a fact."""
        if b'"status":"void"' in value:
            self.facts.pop((topic, key), None)
        else:
            self.facts[topic, key] = content_digest(value)

    def summary(self) -> dict[str, str]:
        """Topic → number of facts and a digest of all their contents: equal summaries are equal facts."""
        return {topic: f"{len(found)}:{_together(found):032x}" for topic in topics.FACT_TOPICS if (found := self._of(topic))}

    def _of(self, topic: str) -> list[bytes]:
        return [digest for (held, _), digest in self.facts.items() if held == topic]


def content_digest(value: bytes) -> bytes:
    """Of a fact without its revision, which counts messages and not content."""
    head, _, rest = value.partition(b',"revision":')
    return blake2b(head + rest[rest.index(b",") :], digest_size=16).digest()


def _together(digests: Iterable[bytes]) -> int:
    return sum(int.from_bytes(digest) for digest in digests) % (1 << 128)


class Ingest:
    """A batcher as `ingest.main` drives it: one raw partition for each topic."""

    def __init__(self) -> None:
        self._batcher = Batcher(Layout((1,) * len(topics.RAW_TOPICS), PAGES, PARTITIONS), LATENESS_MS, 1)
        self._offsets = [0] * len(topics.RAW_TOPICS)
        for topic in range(len(topics.RAW_TOPICS)):
            self._batcher.begin((topic, 0), 0, begins=True, totals=Totals())
        self.rejected = 0

    def poll(self, raws: list[Raw], watch: Watch) -> list[bytes]:
        """One message for each batches partition."""
        runs: dict[int, list[tuple[int, int, bytes | None]]] = {}
        for topic, log_ms, value in raws:
            runs.setdefault(topic, []).append((self._offsets[topic], log_ms, value))
            self._offsets[topic] += 1
        tick_ms = raws[-1][1]
        with watch.on():
            for topic, run in runs.items():
                self._batcher.add_run((topic, 0), run)
            batches, rejected = self._batcher.take(tick_ms, tick_ms)
            messages = [encode_batch(batch) for batch in batches]
        self.rejected += len(rejected)
        return messages

    def close(self, log_ms: int) -> list[bytes]:
        """What `log.closed` in every raw partition would come to: nothing older will ever come."""
        batches, _ = self._batcher.take(log_ms, log_ms)
        for range_ in batches[0].ranges:
            range_.closed_ms = FOREVER_MS
        return [encode_batch(batch) for batch in batches]


class Processor:
    """The folds of all partitions as a worker drives them. Without an ending facts are only counted: a long log has more than a processor would ever hold."""

    def __init__(self, ending: Ending | None = None) -> None:
        self._folds = [PartitionFold(Rules(), partition, PAGES, PARTITIONS, 1) for partition in range(PARTITIONS)]
        self._offset = -1
        self._records: dict[tuple[int, int], bytes] = {}
        """The worker's table holds the newest record of every page too."""
        self.written_bytes = 0
        self.published = 0
        self._ending = ending

    def apply(self, messages: list[bytes], watch: Watch) -> None:
        """One message for each partition."""
        self._offset += 1
        for fold, message in zip(self._folds, messages, strict=True):
            with watch.on():
                facts = fold.apply(message, self._offset)
            for fact in facts:
                if fact.topic not in (topics.LEDGER, topics.REJECTED):
                    self.published += 1
                    if self._ending is not None:
                        self._ending.put(fact.topic, fact.key, fact.value)

    def end_epoch(self, watch: Watch, bytes_max: int | None = None) -> None:
        """What is dirty becomes records; of each partition about `bytes_max` of them."""
        for partition, fold in enumerate(self._folds):
            with watch.on():
                pages = fold.take_dirty(bytes_max)
                position = fold.position()
            for page, record in pages:
                self._records[partition, page] = record
                self.written_bytes += len(record)
            self.written_bytes += len(position)

    def open(self) -> int:
        """Live conversations and calls."""
        return sum(int(str(fold.status()["open"])) for fold in self._folds)

    def record_bytes(self) -> int:
        """Of the newest record of every page."""
        return sum(map(len, self._records.values()))


def polls(raws: Iterable[Raw], size: int) -> Iterator[list[Raw]]:
    """The log as ingest reads it."""
    raws = iter(raws)
    while some := list(islice(raws, size)):
        yield some


def raws_of(load: Workload) -> Iterator[Raw]:
    """The log, record by record."""
    for some in records(load):
        yield from zip(some.topics, some.log_ms, some.values, strict=True)


def run_ingest(load: Workload, poll: int, profile: str | None, show: Show = lambda done: None) -> dict[str, Any]:
    """Stage `ingest`: decode, group, encode."""
    ingest, watch, done, size_bytes = Ingest(), Profiled.watch(profile), 0, 0
    for raws in polls(raws_of(load), poll):
        size_bytes += sum(map(len, ingest.poll(raws, watch)))
        done += len(raws)
        show(done)
    Profiled.write(watch, profile)
    return watch.figures(done) | {"batch_bytes_per_event": round(size_bytes / done, 1), "rejected": ingest.rejected, "peak_rss_mib": peak_rss_mib()}


def run_fold(load: Workload, poll: int, epoch: int, profile: str | None, show: Show = lambda done: None) -> dict[str, Any]:
    """Stage `fold`: decode_batch and apply; the state records apart."""
    collect_rarely()
    ingest, ending, aside, watch, state, done = Ingest(), Ending(), Watch(), Profiled.watch(profile), Profiled.watch(profile), 0
    processor = Processor(ending)
    log_ms = since = 0
    for raws in polls(raws_of(load), poll):
        processor.apply(ingest.poll(raws, aside), watch)
        done, since, log_ms = done + len(raws), since + len(raws), raws[-1][1]
        if since >= epoch:
            processor.end_epoch(state)
            since = 0
        show(done)
    processor.end_epoch(state)
    found = watch.figures(done) | _state_figures(processor, state, done)
    closing = Profiled.watch(profile)
    processor.apply(ingest.close(log_ms), closing)
    Profiled.write(watch, profile)
    if profile:
        Profiled.write(state, profile + ".state")
        Profiled.write(closing, profile + ".close")
    found["close_cpu_us_per_event"] = round(closing.cpu_s * 1e6 / done, 2)
    found["all_cpu_us_per_event"] = round((watch.cpu_s + state.cpu_s + closing.cpu_s) * 1e6 / done, 2)
    return found | {"published": processor.published, "facts": ending.summary()}


def _state_figures(processor: Processor, state: Watch, events: int) -> dict[str, Any]:
    live = processor.open()
    return {
        "state_cpu_us_per_event": round(state.cpu_s * 1e6 / events, 2),
        "state_bytes_per_event": round(processor.written_bytes / events, 1),
        "live": live,
        "record_bytes_per_live": round(processor.record_bytes() / max(1, live), 1),
        "peak_rss_mib": peak_rss_mib(),
    }


def run_state(conversations: int, messages: int, show: Show = lambda done: None) -> dict[str, Any]:
    """Stage `state`: what a live conversation of so many user messages costs in memory and in its record."""
    collect_rarely()
    ingest, processor, aside = Ingest(), Processor(), Watch()
    warm = live_raws(1_000, messages, "warm")
    for raws in polls(warm, 10_000):
        processor.apply(ingest.poll(raws, aside), aside)
    before_live, before_bytes = processor.open(), settled_rss_bytes()
    done = 0
    for raws in polls(live_raws(conversations, messages, "live"), 10_000):
        processor.apply(ingest.poll(raws, aside), aside)
        done += len(raws)
        show(done)
    touched_bytes = settled_rss_bytes() - before_bytes
    # The first epoch writes them; at the end of the second they are at rest: nothing of them came in between.
    processor.end_epoch(aside)
    processor.end_epoch(aside)
    resting_bytes = settled_rss_bytes() - before_bytes
    live = processor.open()
    return {
        "live": live,
        "user_messages": messages,
        "ram_bytes_per_live": round(resting_bytes / (live - before_live), 1),
        "ram_bytes_per_touched": round(touched_bytes / (live - before_live), 1),
        "record_bytes_per_live": round(processor.record_bytes() / live, 1),
    }


def live_raws(conversations: int, messages: int, name: str, before_ms: int = 0) -> Iterator[Raw]:
    """Conversations that go on side by side: `started`, then user and bot in turn, a minute each; message ids of 16 bytes.

    `before_ms`: so long before the log begins.
    """
    from services.events.times import format_ms
    from tests.bench.workload import MINUTE_MS, START_MS

    for step in range(2 * messages + 1):
        for number in range(conversations):
            at_ms = START_MS - before_ms + step * MINUTE_MS // 2 + number * MINUTE_MS // 2 // conversations
            subject = blake2b(f"{name}/{number}".encode(), digest_size=8).hexdigest()
            said = blake2b(f"{name}/{number}/{step}".encode(), digest_size=8).hexdigest()
            type_, own = ("conversation.started", '"initiator":"user"') if step == 0 else ("conversation.message", f'"message_id":"{said}"')
            if step:
                own += ',"sender":"user"' if step % 2 else ',"sender":"bot"'
            data = f'"workspace_id":"workspace-{number % 50:05d}","app_id":"app-{number % 3}","channel":"web","kore_user_id":"u-{number:014d}",{own}'
            line = f'{{"specversion":"1.0","id":"{said}","source":"/p","type":"{type_}","time":"{format_ms(at_ms)}","subject":"{subject}","data":{{{data}}}}}'
            yield 0, at_ms, line.encode()


class Profiled(Watch):
    """A watch that also profiles what it watches. Figures taken with it are the profiler's, not the product's."""

    __slots__ = ("profiler",)

    def __init__(self) -> None:
        super().__init__()
        self.profiler = cProfile.Profile()

    @staticmethod
    def watch(profile: str | None) -> Watch:
        return Profiled() if profile else Watch()

    @staticmethod
    def write(watch: Watch, profile: str | None) -> None:
        if profile and isinstance(watch, Profiled):
            watch.profiler.dump_stats(profile)

    def on(self) -> Any:
        return _Both(super().on(), self.profiler)


class _Both:
    def __init__(self, watching: Any, profiler: cProfile.Profile) -> None:
        self._watching, self._profiler = watching, profiler

    def __enter__(self) -> None:
        self._watching.__enter__()
        self._profiler.enable()

    def __exit__(self, *found: object) -> None:
        self._profiler.disable()
        self._watching.__exit__(*found)

"""Faust, and the guards without which it loses messages. The only file that imports faust (DESIGN §2).

Faust 0.15.3 opens the source partitions before it seeks, then clears its queues, and drops what it reads again: messages vanish around every
recovery. `SafeConsumer` keeps the sources closed until the explicit seek and the clear are done, hands the fetcher a private set that
is never empty (an empty one means "all"), and has no read-offset filter. It leans on the insides of exactly this version: `check_engine`
refuses any other. Limit: the batches topic must have no holes (no compaction, no transactions).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from time import monotonic
from typing import Any, Final, Protocol, cast

import faust
import structlog
from faust.auth import SSLCredentials
from faust.tables.manager import TableManager
from faust.tables.table import Table
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from services.events import topics
from services.processors import metrics
from services.processors.exits import Exit, Fatal, fatal, guard
from services.processors.line import Message
from services.processors.state import TABLE, newest, partition_of
from services.runtime.settings import KafkaSettings, Settings

FAUST_VERSION: Final = "0.15.3"
_FETCH_WAIT_MS: Final = 100
_CLOSED_FETCH_S: Final = 0.2
"""While the sources are closed a fetch is short: the seek waits for it."""
_REQUEST_S: Final = 20.0
_FETCH_BYTES_MAX: Final = 4 * 1024 * 1024
_WATCH_S: Final = 0.5
_STOP_S_MAX: Final = 30.0
CLOSED_ALARM_S: Final = 30.0

log = structlog.get_logger("services.processors")
logging.getLogger(__name__).setLevel(logging.WARNING)  # Faust logs each start and stop of a subclass under the subclass's module


Append = Callable[[str, int, Sequence[tuple[bytes, bytes]]], Awaitable[None]]
"""(topic, partition, (key, value) of each record) → returns when the brokers have acknowledged all; raises when one is refused."""


class Handler(Protocol):
    """What the engine calls. None of it knows Faust."""

    async def restore(self, partitions: Iterable[int], records: Mapping[bytes, bytes]) -> None: ...
    def begin(self, offsets: Mapping[int, tuple[int | None, int]]) -> dict[int, int]: ...
    async def take(self, message: Message) -> None: ...
    def hurry(self) -> None: ...
    def unacknowledged(self) -> int: ...


def check_engine() -> None:
    """Raise `Fatal` when the installed Faust is not the one that the guards were proven on."""
    if faust.__version__ != FAUST_VERSION:
        raise Fatal(
            Exit.SETUP, f"faust-streaming {FAUST_VERSION} is needed, {faust.__version__} is installed: the guards against lost messages lean on its insides."
        )
    if find_spec("faust._cython.streams") is None:
        raise Fatal(Exit.SETUP, "faust-streaming is installed without its compiled part, and the substitute acknowledges skipped messages: install the wheel.")


class _NoReadOffsets(dict[TP, int | None]):
    """Faust's filter of what it thinks it has read would drop what a seek reads again."""

    def __getitem__(self, tp: TP) -> None:
        return None


class SafeConsumer(driver.Consumer):
    """Faust's consumer with closed sources until they may be read (research: four ordering bugs, 24 holes in 99 rebalances; with this: 0 in 145)."""

    handler: Handler

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _NoReadOffsets()
        self.sources_open = False
        self.closed_since_s = monotonic()
        self._sought = False
        self._fetches = 0
        self._assignment = object()

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _close(self) -> None:
        if self.sources_open:
            self.closed_since_s = monotonic()
        self.sources_open = self._sought = False
        self._assignment = object()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._close()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._close()
        await super().on_partitions_assigned(assigned, generation_id)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        assignment = self._assignment
        wanted = {tp for tp in active_partitions or () if self.sources_open or self._is_changelog_tp(tp)}
        if not wanted:
            await asyncio.sleep(0.02)
            return {}
        self._fetches += 1
        try:
            records = await super()._getmany(wanted, timeout if self.sources_open else min(timeout, _CLOSED_FETCH_S))
        finally:
            self._fetches -= 1
        if assignment is self._assignment:
            return records
        return {tp: found for tp, found in records.items() if self._is_changelog_tp(tp)}

    async def perform_seek(self) -> None:
        """Seek to where each partition's work goes on; the handler refuses a start that contradicts the state."""
        if not self.flow_active:
            return
        assignment = self._assignment
        while self._fetches:
            await asyncio.sleep(0.01)
        sources = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        if sources:
            committed = await self.seek_to_committed()
            beginning = await self._thread.earliest_offsets(*sources)
            await self._seek_to_work(sources, committed, beginning)
        self._sought = assignment is self._assignment

    async def _seek_to_work(self, sources: list[TP], committed: Mapping[TP, int], beginning: Mapping[TP, int]) -> None:
        with fatal():
            first = self.handler.begin({tp.partition: (committed.get(tp) or None, beginning[tp]) for tp in sources})
        await self._thread.seek_wait({tp: first[tp.partition] for tp in sources})
        for tp in sources:
            self._committed_offset[tp] = first[tp.partition] or None

    def resume_flow(self) -> None:
        """Called right after the queues were cleared: only now may sources be read."""
        super().resume_flow()
        self.sources_open = self._sought

    async def wait_empty(self) -> None:
        """At revocation and shutdown: end the epochs now, then wait as Faust does (it collects garbage each second, so only for stragglers)."""
        self.handler.hurry()
        while self.handler.unacknowledged() and not self.should_stop:
            await asyncio.sleep(0.01)
        await super().wait_empty()


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:  # aiokafka has no types
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        return consumer


class _Transport(driver.Transport):
    Consumer = SafeConsumer


class _StateTable(Table[bytes, bytes]):
    """The recovered records: the highest version of a key wins, whoever wrote last."""

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        with fatal():  # Faust would log it, and go on with a hole in the state
            events = [event for event in batch if event.message.value is not None]
            for event in events:
                self._check_partition(event)
            self.data.update(newest(self.data, ((event.message.key, event.message.value) for event in events)))

    def _check_partition(self, event: Any) -> None:
        if partition_of(event.message.key) != event.message.partition:
            raise Fatal(
                Exit.STATE,
                f"State record {event.message.key!r} lies on partition {event.message.partition}: the number of batches partitions was changed. "
                "Set it back, or meter everything anew: `quarterhour rebuild`.",
            )


class _App(faust.App):
    def _create_directories(self) -> None:
        """State is in memory and in Kafka; nothing is kept in files."""


class Engine:
    """A Faust application around a handler: it starts, rebalances, recovers and stops; what the messages mean is the handler's."""

    def __init__(self, settings: Settings, append: Append) -> None:
        check_engine()
        self._append = append
        self.app = _new_app(settings)
        self.app.transport = _Transport(self.app.conf.broker_consumer, self.app)
        partitions = settings.kafka.batches_partitions
        self._table = self.app.Table(TABLE, partitions=partitions, key_type=bytes, value_type=bytes)
        self._batches = self.app.topic(topics.BATCHES, partitions=partitions, key_serializer="raw", value_serializer="raw")
        self._stop = asyncio.Event()

    def connect(self, handler: Handler) -> None:
        """Whom messages go to. Before `run`."""
        consumer = self.app.consumer
        assert isinstance(consumer, SafeConsumer)
        self._consumer = consumer
        consumer.handler = handler
        self.app.agent(self._batches, name="batches", concurrency=1)(self._take_all)
        self.app.on_rebalance_complete.connect(self._restore)

    async def run(self) -> None:
        """Work until `stop()`. Anything unexpected ends the process."""
        self.app.in_worker = True
        tasks = [guard(self.app.start()), guard(self._watch())]
        await self._stop.wait()
        tasks[1].cancel()
        try:
            await asyncio.wait_for(self.app.stop(), _STOP_S_MAX)
        except TimeoutError:
            raise Fatal(Exit.RESTART, f"Not stopped within {_STOP_S_MAX:.0f} s: are the brokers away? What was not acknowledged is replayed.") from None

    def stop(self) -> None:
        """Ask for a clean end."""
        self._stop.set()

    def sources(self) -> set[int]:
        """Batches partitions that are assigned to this process."""
        try:
            return {tp.partition for tp in self._consumer.assignment() if tp.topic == topics.BATCHES}
        except faust.exceptions.ConsumerNotStarted:
            return set()

    def recovered(self) -> int:
        """A number that grows while state is recovered."""
        # Between two assignments Faust holds None for a partition that it has not asked about yet.
        return sum(offset or 0 for offset in cast(TableManager, self.app.tables).recovery.active_offsets.values())

    def ready(self) -> bool:
        """True while the assigned partitions are read."""
        return self._consumer.started and not self.app.rebalancing and (self._consumer.sources_open or not self.sources())

    async def write_state(self, partition: int, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Append to the state topic and wait for the brokers; only then does the table hold the records."""
        await self._append(self._table.changelog_topic.get_topic_name(), partition, records)
        for key, value in records:
            self._table.data[key] = value
            metrics.STATE_RECORDS.inc()
            metrics.STATE_BYTES.inc(len(value))

    def acknowledge(self, message: Message) -> None:
        """The offset may be committed; Faust does so within a second."""
        event = message.handle
        assert isinstance(event, faust.Event)
        event.ack()

    async def _take_all(self, stream: Any) -> None:
        with fatal():
            try:
                async for event in stream.noack().events():
                    message = event.message
                    await self._consumer.handler.take(Message(message.partition, message.offset, message.value, event))
            except asyncio.CancelledError:
                if not self._stop.is_set() and not self.app.crashed:
                    raise Fatal(Exit.RESTART, "Faust cancelled the reading of messages.") from None

    async def _restore(self, *_: Any, **__: Any) -> None:
        with fatal():
            owned = self.sources()
            for key in [key for key in self._table.data if partition_of(key) not in owned]:
                del self._table.data[key]
            await self._consumer.handler.restore(owned, self._table.data)
            gc.freeze()

    def _require_reading(self) -> None:
        """Raise when something inside has crashed: Faust stops its services then and leaves the process, aiokafka's fetcher says it in the log alone."""
        reason = (self.app.crash_reason or RuntimeError("no reason is given")) if self.app.crashed else _end_of_fetching(self._consumer)
        if reason is not None:
            raise Fatal(
                Exit.READING, f"Faust or aiokafka has crashed: {type(reason).__name__}: {reason}. What was not acknowledged is replayed by the next start."
            )

    async def _watch(self) -> None:
        """A crash inside Faust ends the process; sources that stay closed are told."""
        told_s = 0.0
        while True:
            await asyncio.sleep(_WATCH_S)
            self._require_reading()
            closed_s = 0.0 if self.ready() else monotonic() - self._consumer.closed_since_s
            if closed_s < CLOSED_ALARM_S:
                told_s = 0.0
            elif closed_s - told_s >= CLOSED_ALARM_S:
                told_s = closed_s
                log.error("no messages are read after an assignment: if no recovery is running, start this worker again", closed_s=round(closed_s))


def _end_of_fetching(consumer: SafeConsumer) -> BaseException | None:
    """Why aiokafka's task that fetches has ended; None: it works, or has not begun."""
    client = consumer._thread._consumer
    task = None if client is None or client._fetcher is None else client._fetcher._fetch_task
    if task is None or not task.done() or task.cancelled():
        return None
    found: BaseException = task.exception() or RuntimeError("aiokafka's fetcher has returned")
    return found


def _new_app(settings: Settings) -> _App:
    kafka, processors = settings.kafka, settings.processors
    return _App(
        settings.processors_group,
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(kafka),
        broker_commit_interval=1.0,
        broker_commit_every=10_000,
        broker_max_poll_records=100,
        broker_session_timeout=processors.session_timeout_s,
        broker_heartbeat_interval=min(3.0, processors.session_timeout_s / 4),
        broker_rebalance_timeout=max(60.0, processors.session_timeout_s),
        broker_request_timeout=max(_REQUEST_S, processors.session_timeout_s + 1),
        broker_max_poll_interval=300.0,
        consumer_group_instance_id=processors.instance or None,
        consumer_max_fetch_size=_FETCH_BYTES_MAX,
        stream_buffer_maxsize=64,
        stream_recovery_delay=0.0,
        store="memory://",
        table_standby_replicas=0,
        topic_partitions=kafka.batches_partitions,
        topic_replication_factor=kafka.replication_factor,
        topic_allow_declare=False,
        topic_disable_leader=True,
        agent_supervisor=CrashingSupervisor,
        Table=_StateTable,
        web_enabled=False,
        autodiscover=False,
    )


def _credentials(kafka: KafkaSettings) -> Any:
    """Faust's credentials for the protocol asked for. Raises `Fatal` rather than speak a weaker one."""
    protocol = kafka.security_protocol
    if protocol == "PLAINTEXT":
        return None
    context = ssl.create_default_context(cafile=kafka.ssl_ca_location or None) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return SSLCredentials(context)
    credentials = faust.SASLCredentials(
        username=kafka.sasl_username, password=kafka.sasl_password.get_secret_value(), ssl_context=context, mechanism=kafka.sasl_mechanism
    )
    if credentials.protocol.value != protocol:
        raise Fatal(Exit.SETUP, f"{protocol} is asked for, but Faust would speak {credentials.protocol.value}.")
    return credentials

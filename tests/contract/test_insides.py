"""What Faust and aiokafka do that we defend against, and the guard beside it (DESIGN §2). No broker: cheap enough to say at once what a new version changed.

A test that fails here with a new version is no error of that version: look whether the guard is still needed, and whether it still works.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.consumer.fetcher import Fetcher, FetchResult  # type: ignore[import-untyped]
from faust.tables.manager import TableManager
from faust.tables.table import Table
from faust.types import TP
from mode.supervisors import CrashingSupervisor
from mode.utils.queues import FlowControlEvent, FlowControlQueue

from services.events.topics import BATCHES
from services.processors.engine import Engine, SafeConsumer
from services.processors.line import Message
from services.processors.state import page_key
from services.runtime.settings import Settings

SOURCE = TP(BATCHES, 0)
STATE = TP("quarterhour-processors-state-changelog", 0)
BOTH = {SOURCE, STATE}
COMMITTED, BEGINNING, WORK = 40, 7, 33


class Handler:
    """Says where reading begins, and hears that it is to hurry."""

    def __init__(self) -> None:
        self.asked: list[Mapping[int, tuple[int | None, int]]] = []
        self.hurried = False

    async def restore(self, partitions: Iterable[int], records: Mapping[bytes, bytes]) -> None: ...

    def begin(self, offsets: Mapping[int, tuple[int | None, int]]) -> dict[int, int]:
        self.asked.append(offsets)
        return dict.fromkeys(offsets, WORK)

    async def take(self, message: Message) -> None: ...

    def hurry(self) -> None:
        self.hurried = True

    def unacknowledged(self) -> int:
        return 0


class Thread:
    """In place of aiokafka's thread: what was fetched and sought."""

    def __init__(self) -> None:
        self.wanted: list[set[TP] | None] = []
        self.sought: list[dict[TP, int]] = []

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[str]]:
        self.wanted.append(active_partitions)
        return {tp: ["record"] for tp in BOTH}

    async def earliest_offsets(self, *tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, BEGINNING)

    async def seek_wait(self, offsets: dict[TP, int]) -> None:
        self.sought.append(offsets)


async def _no_state(_topic: str, _partition: int, _records: Sequence[tuple[bytes, bytes]]) -> None:
    raise AssertionError("nothing is applied here")


class Opened:
    """An engine that is not started, its consumer on a `Thread`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine, self.handler, self.thread = Engine(Settings(), _no_state), Handler(), Thread()
        self.engine.connect(self.handler)
        found = self.engine.app.consumer
        assert isinstance(found, SafeConsumer)
        self.consumer = found
        self.committed: dict[TP, int] = {SOURCE: COMMITTED}

        async def seek_to_committed() -> dict[TP, int]:
            return self.committed

        monkeypatch.setattr(found, "_thread", self.thread)
        monkeypatch.setattr(found, "assignment", lambda: BOTH)
        monkeypatch.setattr(found, "seek_to_committed", seek_to_committed)
        monkeypatch.setattr(found, "_is_changelog_tp", lambda tp: tp == STATE)


def test_resuming_the_flow_throws_away_what_is_in_the_queues() -> None:
    """Cause A: messages fetched before the seek are in the stream's queue then."""

    async def play() -> int:
        flow = FlowControlEvent()
        queue: FlowControlQueue[str] = FlowControlQueue(flow_control=flow, clear_on_resume=True)
        queue.put_nowait("message")
        flow.resume()
        return queue.qsize()

    assert asyncio.run(play()) == 0


def test_recovery_resumes_the_sources_before_it_seeks_and_clears_the_queues_after_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that loses messages. Ours: state restored first, sources open last."""

    async def play() -> list[str]:
        opened = Opened(monkeypatch)
        app, consumer, done = opened.engine.app, opened.consumer, []

        def note(name: str) -> Any:
            def noted(*_: Any, **__: Any) -> None:
                done.append(name)

            return noted

        def note_async(name: str) -> Any:
            async def noted(*_: Any, **__: Any) -> None:
                done.append(name)

            return noted

        monkeypatch.setattr(app.on_rebalance_complete, "send", note_async("state is restored"))
        monkeypatch.setattr(consumer, "resume_partitions", note("sources are resumed"))
        monkeypatch.setattr(consumer, "perform_seek", note_async("seek"))
        monkeypatch.setattr(app.flow_control, "resume", note("queues are cleared"))
        monkeypatch.setattr(consumer, "resume_flow", note("flow is resumed"))
        monkeypatch.setattr(app._fetcher, "maybe_start", note_async("fetching"))
        monkeypatch.setattr(app.assignor, "assigned_standbys", lambda: {STATE})
        monkeypatch.setattr(app, "on_rebalance_end", note("end"))
        app.consumer_generation_id = 3
        tables = app.tables
        assert isinstance(tables, TableManager)
        await tables.recovery.on_recovery_completed(3)
        return done

    assert asyncio.run(play()) == ["state is restored", "sources are resumed", "seek", "queues are cleared", "flow is resumed", "fetching", "end"]


def test_no_partitions_wanted_means_all_to_aiokafka() -> None:
    """Cause C: Faust hands a set that is emptied while a fetch waits, and the sources are drained."""

    async def play(wanted: set[TopicPartition]) -> dict[TopicPartition, list[str]]:
        place = TopicPartition(*SOURCE)
        result = FetchResult(place, assignment=None, partition_records=None, backoff=0)
        result.getall = lambda _most: ["record"]
        result.has_more = lambda: True
        fetcher = Fetcher.__new__(Fetcher)
        fetcher._subscriptions = SimpleNamespace(reassignment_in_progress=False, is_assigned=lambda _tp: True)
        fetcher._records = {place: result}
        found: dict[TopicPartition, list[str]] = await fetcher.fetched_records(wanted)
        return found

    assert asyncio.run(play(set())) == {TopicPartition(*SOURCE): ["record"]}
    assert asyncio.run(play({TopicPartition(*STATE)})) == {}


def test_while_the_sources_are_closed_only_state_is_asked_for_and_never_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> list[set[TP] | None]:
        opened = Opened(monkeypatch)
        assert await opened.consumer._getmany({SOURCE}, 1.0) == {}
        assert await opened.consumer._getmany(set(), 1.0) == {}
        assert await opened.consumer._getmany(None, 1.0) == {}
        await opened.consumer._getmany(set(BOTH), 1.0)
        opened.consumer.sources_open = True
        await opened.consumer._getmany(set(BOTH), 1.0)
        return opened.thread.wanted

    assert asyncio.run(play()) == [{STATE}, BOTH]


def test_the_fetcher_gets_a_set_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> tuple[set[TP], set[TP] | None]:
        opened = Opened(monkeypatch)
        opened.consumer.sources_open = True
        active = set(BOTH)
        await opened.consumer._getmany(active, 1.0)
        active.clear()
        return active, opened.thread.wanted[0]

    assert asyncio.run(play()) == (set(), BOTH)


def test_messages_that_were_fetched_for_an_assignment_before_are_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> Any:
        opened = Opened(monkeypatch)
        opened.consumer.sources_open = True
        fetch = opened.thread.getmany

        async def getmany_while_a_rebalance_begins(active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[str]]:
            opened.consumer._close()
            return await fetch(active_partitions, timeout)

        monkeypatch.setattr(opened.thread, "getmany", getmany_while_a_rebalance_begins)
        return await opened.consumer._getmany(set(BOTH), 1.0)

    assert asyncio.run(play()) == {STATE: ["record"]}


def test_sources_stay_closed_until_the_seek_and_the_clear_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> list[bool]:
        opened, found = Opened(monkeypatch), []
        consumer = opened.consumer
        consumer.resume_flow()
        found.append(consumer.sources_open)
        await consumer.perform_seek()
        found.append(consumer.sources_open)
        consumer.resume_flow()
        found.append(consumer.sources_open)
        consumer._close()
        found.append(consumer.sources_open)
        consumer.resume_flow()
        found.append(consumer.sources_open)
        return found

    assert asyncio.run(play()) == [False, False, True, False, False]


@pytest.mark.parametrize("committed", [{SOURCE: COMMITTED}, {SOURCE: 0}, {}])
def test_the_seek_goes_where_the_work_goes_on_also_when_nothing_is_committed(monkeypatch: pytest.MonkeyPatch, committed: dict[TP, int]) -> None:
    async def play() -> Opened:
        opened = Opened(monkeypatch)
        opened.committed = committed
        opened.consumer.resume_flow()
        await opened.consumer.perform_seek()
        return opened

    opened = asyncio.run(play())
    assert opened.handler.asked == [{0: (committed.get(SOURCE) or None, BEGINNING)}]
    assert opened.thread.sought == [{SOURCE: WORK}]
    assert opened.consumer._committed_offset[SOURCE] == WORK


@pytest.mark.parametrize(("committed", "sought"), [(COMMITTED, [COMMITTED]), (0, []), (None, [])])
def test_aiokafka_does_not_seek_where_nothing_is_committed(committed: int | None, sought: list[int]) -> None:
    """Cause D: the position stays wherever a fetch had left it."""

    async def play() -> list[int]:
        found: list[int] = []

        async def of(_tp: TopicPartition) -> int | None:
            return committed

        place = TopicPartition(*SOURCE)
        consumer = AIOKafkaConsumer.__new__(AIOKafkaConsumer)
        consumer._subscription = SimpleNamespace(assigned_partitions=lambda: {place})
        consumer._fetcher = SimpleNamespace(seek_to=lambda _tp, offset: found.append(offset))
        consumer._closed = True
        consumer.committed = of
        await consumer.seek_to_committed(place)
        return found

    assert asyncio.run(play()) == sought


@pytest.mark.parametrize(("read_offsets", "delivered"), [(None, [5]), ({SOURCE: 99}, [])], ids=["ours", "Faust's own"])
def test_what_a_seek_reads_again_is_delivered(monkeypatch: pytest.MonkeyPatch, read_offsets: dict[TP, int | None] | None, delivered: list[int]) -> None:
    """Cause B: Faust drops what is below the offset that it read last, and a seek reads just that."""

    async def play() -> list[int]:
        consumer, found, stopped = Opened(monkeypatch).consumer, [], asyncio.Event()

        async def getmany(timeout: float) -> AsyncIterator[tuple[TP, Any]]:
            yield SOURCE, SimpleNamespace(offset=5, topic=BATCHES, key=b"", value=b"")
            stopped.set()

        async def deliver(message: Any) -> None:
            found.append(message.offset)

        consumer._read_offset[SOURCE] = 99
        if read_offsets is not None:
            consumer._read_offset = read_offsets
        monkeypatch.setattr(consumer, "getmany", getmany)
        monkeypatch.setattr(consumer, "callback", deliver)
        fetcher: Any = SimpleNamespace(_stopped=stopped)
        await consumer._drain_messages(fetcher)
        return found

    assert asyncio.run(play()) == delivered


def test_faust_commits_past_the_first_message_that_is_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """`committed` is the next offset to read, and Faust counts as if it were the last one read: so whoever fails must leave, never go on."""

    async def play() -> int | None:
        consumer = Opened(monkeypatch).consumer
        consumer._committed_offset[SOURCE] = 2585
        consumer._acked[SOURCE] = [2586, 2587, 2588]
        return consumer._new_offset(SOURCE)

    assert asyncio.run(play()) == 2589


def test_acknowledgements_in_order_are_committed_up_to_the_first_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> int | None:
        consumer = Opened(monkeypatch).consumer
        consumer._committed_offset[SOURCE] = 10
        consumer._acked[SOURCE] = [10, 11, 13]
        return consumer._new_offset(SOURCE)

    assert asyncio.run(play()) == 12


def test_the_newest_record_of_a_page_wins_at_recovery_whoever_wrote_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(version: int) -> Any:
        return SimpleNamespace(message=SimpleNamespace(key=page_key(0, 5), value=version.to_bytes(8, "big") + b"state", partition=0))

    async def play() -> Any:
        table = Opened(monkeypatch).engine._table
        table.apply_changelog_batch([record(3), record(9), record(4)])
        table.apply_changelog_batch([record(8)])
        return table.data[page_key(0, 5)]

    assert asyncio.run(play())[:8] == (9).to_bytes(8, "big")


def test_faust_would_let_the_last_record_win(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> Any:
        table: Any = Opened(monkeypatch).engine._table
        events: Any = [SimpleNamespace(key=b"k", value=value, message=SimpleNamespace(key=b"k", value=value, partition=0)) for value in (b"new", b"old")]
        Table.apply_changelog_batch(table, events)
        return table.data[b"k"]

    assert asyncio.run(play()) == b"old"


def test_an_application_that_has_crashed_calls_itself_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks `should_stop` cannot tell a crash from a wish: the engine keeps its own word on that."""

    async def play() -> tuple[bool, bool]:
        app = Opened(monkeypatch).engine.app
        before = app.should_stop
        await app._fetcher.crash(RuntimeError("planted"))
        assert app.crashed
        assert str(app.crash_reason) == "planted"
        return before, app.should_stop

    assert asyncio.run(play()) == (False, True)


def test_an_agent_that_fails_is_never_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> object:
        return Opened(monkeypatch).engine.app.conf.agent_supervisor

    assert asyncio.run(play()) is CrashingSupervisor


def test_at_a_revocation_open_epochs_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> bool:
        opened = Opened(monkeypatch)
        await opened.consumer.wait_empty()
        return opened.handler.hurried

    assert asyncio.run(play())


def test_how_long_a_fetch_waits_is_read_when_the_consumer_starts() -> None:
    async def play() -> int:
        consumer = AIOKafkaConsumer(fetch_max_wait_ms=7)
        found: int = consumer._fetch_max_wait_ms
        return found

    assert asyncio.run(play()) == 7


def test_recovery_that_was_not_asked_about_yet_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust holds None for a partition between its assignment and the answer of the brokers."""

    async def play() -> int:
        opened = Opened(monkeypatch)
        monkeypatch.setattr(cast(TableManager, opened.engine.app.tables).recovery, "active_offsets", {STATE: None, SOURCE: 7})
        return opened.engine.recovered()

    assert asyncio.run(play()) == 7

"""Topics that are deleted and made anew, and retention that passes what was not read: an alarm each time, never a silent skip."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package exports these without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from services.events.batches import Batch
from services.events.topics import BATCHES, CONVERSATIONS, FACT_TOPICS, SESSIONS
from services.ingest.batcher import Batcher, Layout, RawRecord, Totals
from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from services.meters.state import StateCorrupt
from services.meters.watermark import LogReplaced
from services.runtime.kafka import client_config, create_topics
from services.runtime.settings import ClickHouseSettings, KafkaSettings, Settings
from services.runtime.topic_ids import LOOK_EVERY_S, Watch
from tests.ingest.stage import Stage as IngestStage
from tests.parts.own import delete_topics, make_topics
from tests.query.stage import session
from tests.sink.stage import Stage as SinkStage
from tests.spec.timeline import T0_MS
from tests.verify.events import talk

RAW = (CONVERSATIONS, 0)
LINES = talk("c1", "started 0, user message 14, 31, 58")


@pytest.fixture
def ingest(kafka: KafkaSettings, tmp_path: Path) -> Iterator[IngestStage]:
    made = IngestStage(kafka, tmp_path)
    yield made
    made.close()


@pytest.fixture
def sink(kafka: KafkaSettings, clickhouse: ClickHouseSettings, tmp_path: Path) -> Iterator[SinkStage]:
    with SinkStage(kafka, clickhouse, tmp_path) as made:
        made.migrate()
        yield made


def make_anew(settings: Settings, topic: str) -> None:
    delete_topics(settings.kafka, topic)
    create_topics(settings, lambda _line: None)


def batch(log_id: str, start: int, lines: list[bytes]) -> Batch:
    """What an ingest that reads a log with this id sends of one partition."""
    batcher = Batcher(Layout((1, 0, 0, 0), 4, 1), 86_400_000, 1)
    batcher.begin((0, 0), start, begins=start == 0, totals=Totals(), log_id=log_id)
    for offset, line in enumerate(lines, start):
        batcher.add(RawRecord(0, 0, offset, T0_MS, line))
    return batcher.take(0, 0)[0][0]


def fold(batches_id: str = "") -> PartitionFold:
    return PartitionFold(Rules(), 0, 4, 1, 1, batches_id=batches_id)


@pytest.mark.parametrize("lines", [LINES[:1], LINES * 2])
def test_a_processor_applies_nothing_of_a_raw_topic_made_anew_whether_it_holds_fewer_or_more(lines: list[bytes]) -> None:
    state = fold()
    state.apply_batch(batch("old", 0, LINES), 0)
    with pytest.raises(LogReplaced, match=r"platform.conversations/0 was deleted and made anew.* up to offset 4"):
        state.apply_batch(batch("new", 0, lines), 1)


def test_the_id_of_a_raw_topic_is_part_of_the_state() -> None:
    before = fold()
    before.apply_batch(batch("old", 0, LINES), 0)
    pages, position = dict(before.take_dirty()), before.position()
    state = fold()
    state.restore(position, pages)
    state.apply_batch(batch("old", 4, LINES), 1)
    with pytest.raises(LogReplaced):
        state.apply_batch(batch("new", 8, LINES), 2)


def test_a_state_of_another_batches_topic_is_refused() -> None:
    before = fold("old")
    before.apply_batch(batch("raw", 0, LINES), 0)
    pages, position = dict(before.take_dirty()), before.position()
    fold("old").restore(position, pages)
    with pytest.raises(StateCorrupt, match=r"metering.batches.v1 was deleted and made anew"):
        fold("new").restore(position, pages)


def test_a_watch_sees_a_topic_that_is_another_now_and_one_that_is_gone(kafka: KafkaSettings) -> None:
    settings = Settings(kafka=kafka)
    make_topics(settings)
    watch = Watch(settings.kafka, (BATCHES, *FACT_TOPICS))
    assert watch.replaced(100.0) is None
    make_anew(settings, SESSIONS)
    assert watch.replaced(100.0 + LOOK_EVERY_S / 2) is None
    assert watch.replaced(100.0 + LOOK_EVERY_S) == SESSIONS
    delete_topics(settings.kafka, SESSIONS)
    assert watch.replaced(100.0 + 2 * LOOK_EVERY_S) == SESSIONS


def test_ingest_at_work_ends_when_its_topic_is_made_anew_and_its_successor_cannot_go_on(ingest: IngestStage) -> None:
    ingest.write(RAW, LINES, T0_MS)
    process = ingest.start()
    ingest.wait_until_committed()
    make_anew(ingest.settings, CONVERSATIONS)
    ingest.write(RAW, LINES * 3, T0_MS)
    assert process.wait(60) == 66
    assert "platform.conversations was deleted, and made anew since" in ingest.logs()
    again = ingest.start()
    deadline = time.monotonic() + 30
    while again.poll() is None and len(ingest.ranges()[RAW]) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    if again.poll() is None:
        # The brokers forgot the offsets with the topic: what ingest cannot know, the state does.
        with pytest.raises(LogReplaced):
            ingest.metered()
    else:
        assert again.returncode == 66


def test_ingest_ends_when_retention_passed_what_it_has_not_read(ingest: IngestStage) -> None:
    ingest.write(RAW, LINES, T0_MS)
    with ingest.ingest():
        ingest.wait_until_committed()
    ingest.write(RAW, LINES, T0_MS)
    delete_records(ingest.settings, TopicPartition(*RAW, 6))
    assert ingest.start().wait(60) == 66
    assert "offsets 4 to 6 were deleted before they were read" in ingest.logs()


def test_the_sink_ends_when_a_topic_is_made_anew_and_when_retention_passed_what_it_has_not_stored(sink: SinkStage) -> None:
    process = sink.start()
    sink.send(SESSIONS, *(session("w", "2026-01-01", billing_session_id=f"{number:032x}") for number in range(4)))
    sink.until_committed()
    make_anew(sink.settings, SESSIONS)
    assert process.wait(60) == 66
    assert "facts may be gone that are not in ClickHouse" in sink.log.read_text()

    process = sink.start()
    sink.send(SESSIONS, *(session("w", "2026-01-01", billing_session_id=f"{number:032x}") for number in range(4, 8)))
    sink.until_committed()
    process.terminate()
    assert process.wait(60) == 0
    sink.send(SESSIONS, *(session("w", "2026-01-01", billing_session_id=f"{number:032x}") for number in range(8, 12)))
    place = next(place for place, offset in sink.committed().items() if place[0] == SESSIONS and offset)
    delete_records(sink.settings, TopicPartition(*place, sink.committed()[place] + 2))
    assert sink.start().wait(60) == 66
    assert "were deleted before they were stored" in sink.log.read_text()


def delete_records(settings: Settings, before: TopicPartition) -> None:
    """As retention would, on a topic whose policy allows it. The controller answers before the broker has the new policy, which then still says no."""
    admin = AdminClient(client_config(settings.kafka, "ERROR"))
    policy = ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)
    (changed,) = admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, before.topic, incremental_configs=[policy])]).values()
    changed.result(30)
    deadline = time.monotonic() + 30
    while not deleted(admin, before):
        assert time.monotonic() < deadline, "the broker does not take the new policy"
        time.sleep(0.1)


def deleted(admin: AdminClient, before: TopicPartition) -> bool:
    """False: the policy forbids it. Raises whatever else is wrong."""
    (answer,) = admin.delete_records([before]).values()
    try:
        answer.result(30)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.POLICY_VIOLATION:
            raise
        return False
    return True

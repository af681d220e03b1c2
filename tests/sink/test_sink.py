"""The sink between a real broker and the real engine: every fact lands once under FINAL, whatever dies in between."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.events import topics
from services.runtime.settings import ClickHouseSettings, KafkaSettings
from services.sink.rows import TABLES
from tests.local.clickhouse.server import Server
from tests.parts.ports import free_port
from tests.query.stage import session
from tests.sink.made_up import one_of_each
from tests.sink.stage import DIES_BEFORE_COMMIT, Stage

COUNT = "SELECT count() FROM v_billing_sessions"


def sessions(first: int, last: int) -> list[dict[str, object]]:
    return [
        session(f"w{number % 7}", f"2026-01-{number % 28 + 1:02}", conversation_id=f"c{number}", billing_session_id=f"{number:032x}")
        for number in range(first, last)
    ]


def test_a_fact_of_every_topic_lands_with_all_its_values(stage: Stage) -> None:
    for topic, fact in one_of_each().items():
        stage.send(topic, fact)
    stage.start()
    stage.until_committed()
    for topic, fact in one_of_each().items():
        ((*values,),) = stage.rows(f"SELECT * FROM {TABLES[topic].name} FINAL")
        assert {name: told(value) for name, value in zip(TABLES[topic].columns, values, strict=True)} == fact


def told(value: object) -> object:
    if not isinstance(value, datetime):
        return value
    assert value.tzinfo is not None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_rows_land_once_when_the_sink_dies_between_insert_and_commit(stage: Stage) -> None:
    stage.send(topics.SESSIONS, *sessions(0, 50))
    assert stage.start(DIES_BEFORE_COMMIT).wait(60) == -signal.SIGKILL
    assert stage.rows(COUNT) == [(50,)]
    assert stage.committed() == {}
    stage.start()
    stage.until_committed()
    assert stage.rows(COUNT) == [(50,)]


def test_revisions_and_voids_end_as_the_topic_says(stage: Stage) -> None:
    kept, gone = sessions(0, 2)
    stage.start()
    stage.send(topics.SESSIONS, kept, gone, kept | {"revision": 2, "message_id": "m-2"}, gone | {"revision": 2, "status": "void"})
    stage.until_committed()
    assert stage.rows("SELECT billing_session_id, message_id FROM v_billing_sessions") == [(kept["billing_session_id"], "m-2")]


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A ClickHouse that no other test uses."""
    server = Server(tmp_path / "clickhouse", port=free_port()).start()
    yield server
    server.stop()


def test_clickhouse_may_go_away_and_come_back_and_the_sink_keeps_its_place(kafka: KafkaSettings, mortal: Server, tmp_path: Path) -> None:
    with Stage(kafka, ClickHouseSettings(url=f"http://127.0.0.1:{mortal.port}"), tmp_path) as stage:
        stage.migrate()
        outlives(stage, mortal)


def outlives(stage: Stage, clickhouse: Server) -> None:
    process = stage.start()
    stage.send(topics.SESSIONS, *sessions(0, 10))
    stage.until_committed()
    clickhouse.kill()
    try:
        stage.send(topics.SESSIONS, *sessions(10, 30))
        stage.until(lambda: stage.ready() == {"joined": True, "clickhouse": False})
        # Longer than the session timeout: a member that does not poll or beat would be put out by then.
        time.sleep(7)
        stage.send(topics.SESSIONS, *sessions(30, 40))
        assert sum(stage.committed().values()) == 10
    finally:
        clickhouse.start()
    stage.until_committed()
    assert stage.rows(COUNT) == [(40,)]
    stage.until(lambda: stage.ready() == {"joined": True, "clickhouse": True})
    assert process.poll() is None
    assert stage.log.read_text().count("partitions taken away") == 0


def test_missing_tables_are_waited_for_and_the_log_says_how_to_make_them(bare_stage: Stage) -> None:
    bare_stage.send(topics.SESSIONS, *sessions(0, 3))
    bare_stage.start()
    bare_stage.until(lambda: "quarterhour migrate" in bare_stage.log.read_text())
    bare_stage.migrate()
    bare_stage.until_committed()
    assert bare_stage.rows(COUNT) == [(3,)]


def test_a_record_that_is_no_fact_ends_the_sink_with_70_and_its_place(stage: Stage) -> None:
    stage.send_bytes(topics.PEAKS, b'{"seat_peak_id": 5}')
    stage.send(topics.SESSIONS, *sessions(0, 1))
    assert stage.start().wait(60) == 70
    assert "usage.seat-peaks.v1/" in stage.log.read_text()
    assert all(topic != topics.PEAKS for topic, _ in stage.committed())


def test_a_stop_inserts_and_commits_what_was_read(stage: Stage) -> None:
    process = stage.start()
    stage.send(topics.SESSIONS, *sessions(0, 20))
    stage.until_committed()
    stage.send(topics.SESSIONS, *sessions(20, 40))
    process.terminate()
    assert process.wait(30) == 0
    (read,) = stage.rows(COUNT)[0]
    assert sum(stage.committed().values()) == read


def test_all_rows_land_while_sinks_come_and_go(stage: Stage) -> None:
    first = stage.start()
    for step in range(8):
        stage.send(topics.SESSIONS, *sessions(step * 500, step * 500 + 500))
        if step == 2:
            stage.start()
        if step == 4:
            first.kill()
            first.wait()
        if step == 6:
            stage.start()
        time.sleep(0.5)
    stage.until_committed()
    assert stage.rows("SELECT count(), uniqExact(billing_session_id) FROM v_billing_sessions") == [(4000, 4000)]

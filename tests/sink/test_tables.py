"""The tables that the migrations make: columns, comments, and the newest revision under FINAL."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.events import topics
from services.events.times import parse_ms
from services.sink.clickhouse_store import ClickHouseStore
from services.sink.rows import TABLES, Facts
from tests.query.stage import Fact, session
from tests.sink.made_up import one_of_each
from tests.sink.stage import Stage
from tests.sink.test_rows import encoded

IN_JANUARY = "SELECT {what} FROM {source} WHERE workspace_id = 'w' AND start >= '2026-01-01' AND start < '2026-02-01'"


def insert(stage: Stage, topic: str, facts: Sequence[Fact]) -> None:
    store = ClickHouseStore(stage.settings.clickhouse)
    store.insert(TABLES[topic], Facts(topic, [encoded(fact) for fact in facts]))
    store.close()


@pytest.mark.parametrize("topic", topics.FACT_TOPICS)
def test_the_columns_of_a_table_are_those_that_the_sink_inserts(stage: Stage, topic: str) -> None:
    table = TABLES[topic]
    found = stage.rows(f"SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = '{table.name}' ORDER BY position")
    assert found == list(table.columns.items())


def test_every_table_view_and_column_has_a_comment(stage: Stage) -> None:
    assert stage.rows("SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = ''") == []
    assert stage.rows("SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''") == []


def test_a_session_whose_start_moves_out_of_a_range_is_no_longer_in_it(stage: Stage) -> None:
    t0 = "2026-01-31T23:00"
    old = session("w", "2026-01-31T23:50", t0=t0)
    new = session("w", "2026-02-01T00:10", t0=t0) | {"billing_session_id": old["billing_session_id"], "revision": 2}
    stage.client.command("SYSTEM STOP MERGES billing_sessions")
    insert(stage, topics.SESSIONS, [old])
    assert stage.rows(IN_JANUARY.format(what="count()", source="v_billing_sessions")) == [(1,)]
    insert(stage, topics.SESSIONS, [new])
    assert stage.rows("SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'billing_sessions' AND active") == [(2,)]
    assert stage.rows(IN_JANUARY.format(what="count()", source="v_billing_sessions")) == [(0,)]
    careless = IN_JANUARY.format(what="count()", source="billing_sessions FINAL") + " SETTINGS use_skip_indexes_if_final_exact_mode = 0"
    assert stage.rows(careless) == [(1,)], "without the setting the old revision is billed: this is what the view's settings are for"


def test_the_highest_revision_wins_in_whatever_order_they_come_and_a_void_hides_all_below(stage: Stage) -> None:
    first = session("w", "2026-01-05T10:00", revision=1)
    second = first | {"revision": 2, "message_id": "m-2"}
    void = second | {"revision": 3, "status": "void"}
    insert(stage, topics.SESSIONS, [second])
    insert(stage, topics.SESSIONS, [first])
    assert stage.rows("SELECT revision, message_id FROM v_billing_sessions") == [(2, "m-2")]
    insert(stage, topics.SESSIONS, [void])
    insert(stage, topics.SESSIONS, [second])
    assert stage.rows("SELECT revision FROM v_billing_sessions") == []
    insert(stage, topics.SESSIONS, [second | {"revision": 2**48}])
    stage.client.command("OPTIMIZE TABLE billing_sessions FINAL")
    assert stage.rows("SELECT revision FROM v_billing_sessions") == [(2**48,)]


def test_ten_years_of_history_fit_into_one_insert(stage: Stage) -> None:
    insert(stage, topics.SESSIONS, [session("w", f"{year}-{month:02}-15") for year in range(2016, 2026) for month in range(1, 13)])
    assert stage.rows("SELECT count() FROM v_billing_sessions") == [(120,)]


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"])
def test_an_instant_of_any_year_is_stored_as_it_is(stage: Stage, told: str) -> None:
    insert(stage, topics.SESSIONS, [session("w", "2026-01-05T10:00") | {"end": told}])
    assert stage.rows("SELECT toUnixTimestamp64Milli(end) FROM v_billing_sessions") == [(parse_ms(told),)]


@pytest.mark.parametrize("topic", topics.FACT_TOPICS)
def test_every_view_drops_voids(stage: Stage, topic: str) -> None:
    fact, view = one_of_each()[topic], f"v_{TABLES[topic].name}"
    insert(stage, topic, [fact])
    assert stage.rows(f"SELECT count() FROM {view}") == [(1,)]
    insert(stage, topic, [fact | {"status": "void", "revision": fact["revision"] + 1}])
    assert stage.rows(f"SELECT count() FROM {view}") == [(0,)]

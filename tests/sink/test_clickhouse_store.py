"""The store against a server that is there and never answers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from services.events.topics import SESSIONS
from services.runtime.settings import read_settings
from services.sink import clickhouse_store
from services.sink.clickhouse_store import ClickHouseStore
from services.sink.rows import TABLES, Facts
from services.sink.store import StoreAway
from tests.chaos.proxy import LOOPBACK, Proxy
from tests.parts.ports import free_port


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with Proxy(free_port(), 1) as proxy:
        proxy.become("half_open")
        yield f"http://{LOOPBACK}:{proxy.port}"


def test_a_server_that_never_answers_is_away_and_gets_twice_the_time_at_the_next_try(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse_store, "ANSWER_S_FIRST", 1)
    store = ClickHouseStore(read_settings({"QUARTERHOUR_CLICKHOUSE__URL": silent}).clickhouse)
    first_s, second_s = tried(store), tried(store)
    assert 0.9 < first_s < 10
    assert second_s > 1.9


def tried(store: ClickHouseStore) -> float:
    began_at = time.monotonic()
    with pytest.raises(StoreAway):
        store.insert(TABLES[SESSIONS], Facts(SESSIONS, []))
    return time.monotonic() - began_at

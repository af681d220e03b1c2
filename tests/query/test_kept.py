"""What is kept between requests: for how long, how much, and that an answer never goes by what is older."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any
from unittest.mock import Mock

import pytest
from fastapi.testclient import TestClient

from services.accounts.store import Accounts
from services.query.app import create_app
from services.query.kept import Kept
from services.runtime.settings import QuerySettings, Settings
from tests.query.stage import ClickHouse, ms, processor_line, session

NOW = "2026-03-15T12:00"


def test_a_value_is_read_once_until_it_is_too_old() -> None:
    now_s, read = [10.0], Mock(side_effect=[1, 2])
    kept = Kept[int](5, 1_000, lambda: now_s[0])
    assert [kept.get("a", read), kept.get("a", read)] == [1, 1]
    now_s[0] = 10.999
    assert kept.get("a", read) == 1
    now_s[0] = 11.0
    assert kept.get("a", read) == 2


def test_age_counts_from_before_the_reading_began() -> None:
    now_s = [10.0]

    def slowly() -> float:
        now_s[0] += 0.8
        return now_s[0]

    kept = Kept[float](5, 1_000, lambda: now_s[0])
    assert kept.get("a", slowly) == 10.8
    now_s[0] = 11.0
    assert kept.get("a", slowly) == 11.8


def test_nothing_is_kept_for_no_time() -> None:
    read = Mock(side_effect=[1, 2])
    kept = Kept[int](5, 0, lambda: 10.0)
    assert [kept.get("a", read), kept.get("a", read)] == [1, 2]


def test_those_used_last_stay() -> None:
    kept = Kept[str](2)
    for key in ("a", "b", "a", "c"):
        kept.get(key, lambda key=key: key)  # type: ignore[misc]
    assert [kept.get(key, lambda: "anew") for key in ("a", "c", "b")] == ["a", "c", "anew"]


def test_a_failure_is_told_and_not_kept() -> None:
    kept = Kept[int](2)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 7) == 7


def test_requests_that_miss_at_the_same_time_wait_for_one_reading() -> None:
    began, may_end, asked = Event(), Event(), []

    def slowly() -> int:
        asked.append(1)
        began.set()
        assert may_end.wait(10)
        return len(asked)

    kept = Kept[int](5, 60_000)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(kept.get, "a", slowly)
        assert began.wait(10)
        others = [threads.submit(kept.get, "a", slowly) for _ in range(2)]
        may_end.set()
        assert [first.result(10), *(other.result(10) for other in others)] == [1, 1, 1]


def test_who_comes_after_the_time_of_a_reading_under_way_reads_anew() -> None:
    now_s, began, may_end = [10.0], Event(), Event()

    def slowly() -> str:
        began.set()
        assert may_end.wait(10)
        return "old"

    kept = Kept[str](5, 1_000, lambda: now_s[0])
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(kept.get, "a", slowly)
        assert began.wait(10)
        now_s[0] = 11.0
        assert kept.get("a", lambda: "new") == "new"
        may_end.set()
        assert slow.result(10) == "old"
    assert kept.get("a", lambda: "newer") == "new"


def test_all_who_wait_for_a_reading_are_told_of_its_failure_and_the_next_one_reads() -> None:
    began, may_end = Event(), Event()

    def broken() -> int:
        began.set()
        assert may_end.wait(10)
        return 1 // 0

    kept = Kept[int](5, 60_000)
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(kept.get, "a", broken)]
        assert began.wait(10)
        both.append(threads.submit(kept.get, "a", broken))
        may_end.set()
        assert [type(each.exception(10)) for each in both] == [ZeroDivisionError] * 2
    assert kept.get("a", lambda: 7) == 7


class Beside(Executor):
    """What is asked to run beside, run when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.asked.append(partial(fn, *args, **kwargs))
        return Future()


def test_what_is_asked_for_in_the_second_half_of_its_time_is_read_again_beside_once() -> None:
    now_s, beside = [10.0], Beside()
    kept = Kept[str](5, 1_000, lambda: now_s[0], beside)

    def get(value: str) -> str:
        return kept.get("a", lambda: value, lambda: f"{value}, beside")

    assert get("1") == "1"
    now_s[0] = 10.499
    assert get("2") == "1"
    assert not beside.asked
    now_s[0] = 10.5
    assert [get("3"), get("4")] == ["1", "1"]
    [run] = beside.asked
    now_s[0] = 10.7
    run()
    now_s[0] = 11.699
    assert get("5") == "3, beside"
    now_s[0] = 11.7
    assert get("6") == "6", "nobody waits for a reading that has not begun"


def test_a_failure_beside_is_told_to_nobody_and_the_next_one_reads() -> None:
    now_s, beside = [10.0], Beside()
    kept = Kept[int](5, 1_000, lambda: now_s[0], beside)
    kept.get("a", lambda: 1)
    now_s[0] = 10.9
    assert kept.get("a", lambda: 2, lambda: 1 // 0) == 1
    beside.asked[0]()
    assert kept.get("a", lambda: 3) == 1
    now_s[0] = 11.0
    assert kept.get("a", lambda: 4) == 4


def test_questions_within_a_moment_ask_for_the_watermark_once_and_after_it_anew(
    settings: Settings, accounts: Accounts, clickhouse: ClickHouse, workspace: str
) -> None:
    asked = settings.model_copy(update={"query": QuerySettings(reach_kept_ms=60_000)})
    key, _ = accounts.create_key(workspace, datetime(2026, 1, 1, tzinfo=UTC), scopes=("read",))
    clickhouse.put("billing_sessions", session(workspace, "2026-03-15T10:00"))
    with TestClient(create_app(asked, clock_ms=lambda: ms(NOW))) as client:

        def as_of(path: str) -> str:
            return str(client.get(path, params={"range": "24h"}, headers={"Authorization": f"Bearer {key}"}).json()["as_of"])

        clickhouse.put("ledger", processor_line("2026-03-15T11:00", 1 << 21))
        first = as_of("/v1/usage/trends")
        clickhouse.put("ledger", processor_line("2026-03-15T11:30", (1 << 21) + 1))
        assert as_of("/v1/usage/trends") == first
        assert as_of("/v1/usage/sessions")[:16] == "2026-03-15T11:30"
    with TestClient(create_app(asked, clock_ms=lambda: ms(NOW))) as client:
        assert as_of("/v1/usage/trends")[:16] == "2026-03-15T11:30"
    clickhouse.run("TRUNCATE TABLE ledger")


def test_what_is_kept_for_one_is_never_told_to_another(settings: Settings, accounts: Accounts, clickhouse: ClickHouse, workspace: str) -> None:
    """Two workspaces, and a key of one app, ask the same in turn."""
    asked = settings.model_copy(update={"query": QuerySettings(reach_kept_ms=60_000)})
    other, begun = f"{workspace}-other", datetime(2026, 1, 1, tzinfo=UTC)
    clickhouse.put("billing_sessions", session(workspace, "2026-03-10T10:00"), session(workspace, "2026-03-12T10:00", app_id="b"))
    clickhouse.put("billing_sessions", session(other, "2026-03-11T10:00"))
    firsts = {
        accounts.create_key(workspace, begun, scopes=("read",))[0]: ("2026-03-10", 2),
        accounts.create_key(workspace, begun, scopes=("read",), app_ids=("b",))[0]: ("2026-03-12", 1),
        accounts.create_key(other, begun, scopes=("read",))[0]: ("2026-03-11", 1),
    }
    with TestClient(create_app(asked, clock_ms=lambda: ms(NOW))) as client:
        for _ in range(3):
            for key, (first, sessions) in firsts.items():
                head = {"Authorization": f"Bearer {key}"}
                assert client.get("/v1/usage/freshness", headers=head).json()["data_since"][:10] == first
                found = client.get("/v1/usage/sessions", params={"range": "1m"}, headers=head).json()["sessions"]
                assert len(found) == sessions

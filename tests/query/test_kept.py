"""What is kept between requests: for how long, how much, and that an answer never goes by what is older."""

from __future__ import annotations

from datetime import UTC, datetime
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

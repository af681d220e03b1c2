"""Limits: minutes are counted for all processes together; exports by their number; a key may have limits of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from services.accounts.exports import RUNS_MAX
from services.accounts.keys import Principal
from services.accounts.limits import LIMITS, Limits, QuotaExceeded, Use, check, headers
from services.accounts.store import Accounts

NOW = datetime(2026, 3, 1, 12, 0, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SMALL = {"standard": Limits(3, 2, 2), "enterprise": Limits(30, 20, 4)}


@pytest.fixture
def acme() -> str:
    return f"w-{uuid4().hex[:8]}"


def entered(accounts: Accounts, key: str, now: datetime = NOW) -> tuple[Principal, Use]:
    found = accounts.enter(key, now)
    assert isinstance(found, tuple)
    return found


def manifest(workspace: str) -> dict[str, Any]:
    return {"export_id": uuid4().hex, "state": "running", "workspace_id": workspace}


def test_a_key_has_the_limits_of_its_workspace_or_its_own(accounts: Accounts, acme: str) -> None:
    plain, own = (accounts.create_key(acme, NOW, scopes=["read"], limits=limits)[0] for limits in ((None, None, None), (7, None, 9)))
    standard = LIMITS["standard"]
    assert [entered(accounts, key)[0].limits for key in (plain, own)] == [standard, Limits(7, standard.read_s_per_minute, 9)]
    accounts.set_workspace(acme, "enterprise", NOW)
    assert [entered(accounts, key)[0].limits for key in (plain, own)] == [LIMITS["enterprise"], Limits(7, LIMITS["enterprise"].read_s_per_minute, 9)]


def test_requests_of_two_processes_are_counted_together_and_each_key_alone(accounts: Accounts, postgres_dsn: str, acme: str) -> None:
    one, other = (accounts.create_key(acme, NOW, scopes=["read"])[0] for _ in range(2))
    with Accounts(postgres_dsn) as second, ThreadPoolExecutor(8) as pool:
        numbers = sorted(pool.map(lambda number: entered((accounts, second)[number % 2], one)[1].requests, range(40)))
    assert numbers == list(range(1, 41))
    assert entered(accounts, other)[1].requests == 1


def test_a_new_minute_begins_with_nothing_and_an_answer_of_the_old_one_is_charged_to_it(accounts: Accounts, acme: str) -> None:
    key = accounts.create_key(acme, NOW, scopes=["read"])[0]
    principal, _ = entered(accounts, key)
    accounts.charge(principal, NOW, 1500)
    assert entered(accounts, key)[1] == Use(NOW.replace(second=0), 2, 1500)
    assert entered(accounts, key, NOW + MINUTE)[1] == Use(NOW.replace(second=0) + MINUTE, 1, 0)
    accounts.charge(principal, NOW + MINUTE, 10)
    assert entered(accounts, key, NOW)[1] == Use(NOW.replace(second=0) + MINUTE, 2, 10), "a process whose clock is a little behind"


def test_a_clock_that_was_far_ahead_is_not_waited_for(accounts: Accounts, acme: str) -> None:
    key = accounts.create_key(acme, NOW, scopes=["read"])[0]
    entered(accounts, key, NOW + 60 * MINUTE)
    assert entered(accounts, key)[1].minute == NOW.replace(second=0)


@pytest.mark.parametrize(("use", "policy"), [((3, 1999), None), ((4, 0), "requests"), ((1, 2000), "read-time")])
def test_a_limit_is_what_may_be_used_and_one_more_is_too_much(use: tuple[int, int], policy: str | None) -> None:
    used = Use(NOW.replace(second=0), *use)
    if policy is None:
        check(SMALL["standard"], used, NOW)
        return
    with pytest.raises(QuotaExceeded) as refused:
        check(SMALL["standard"], used, NOW)
    assert (refused.value.policy, refused.value.retry_s) == (policy, 40)


def test_headers_tell_the_policies_and_what_is_left() -> None:
    told = headers(Limits(100, 60, 2), Use(NOW.replace(second=0), 30, 70_000), NOW + timedelta(milliseconds=1))
    assert told == {
        "RateLimit-Policy": '"requests";q=100;w=60, "read-time";q=60000;qu="milliseconds";w=60',
        "RateLimit": '"requests";r=70;t=40, "read-time";r=0;t=40',
    }


def test_a_key_has_so_many_exports_under_way_and_no_more(accounts: Accounts, acme: str) -> None:
    principal, other = (entered(accounts, accounts.create_key(acme, NOW, scopes=["export"])[0])[0] for _ in range(2))
    drafts = [manifest(acme) for _ in range(3)]
    for draft in drafts[:2]:
        accounts.begin_export(principal, draft, NOW)
    with pytest.raises(QuotaExceeded, match="2 exports"):
        accounts.begin_export(principal, drafts[2], NOW)
    accounts.begin_export(other, manifest(acme), NOW)
    accounts.end_export(drafts[0]["export_id"], drafts[0] | {"state": "broken"}, NOW)
    accounts.begin_export(principal, drafts[2], NOW)


def test_exports_that_begin_at_once_see_one_another(accounts: Accounts, acme: str) -> None:
    principal = entered(accounts, accounts.create_key(acme, NOW, scopes=["export"])[0])[0]

    def begins(_number: int) -> bool:
        try:
            accounts.begin_export(principal, manifest(acme), NOW)
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(begins, range(24))) == principal.limits.exports_at_once


def test_an_export_whose_process_was_killed_gives_its_place_back(accounts: Accounts, acme: str) -> None:
    principal = entered(accounts, accounts.create_key(acme, NOW, scopes=["export"])[0])[0]
    for _ in range(principal.limits.exports_at_once):
        accounts.begin_export(principal, manifest(acme), NOW)
    accounts.begin_export(principal, manifest(acme), NOW + RUNS_MAX)


def test_when_a_key_was_last_used_is_known_to_the_minute(accounts: Accounts, acme: str) -> None:
    key, kept = accounts.create_key(acme, NOW, scopes=["read"])
    assert kept.last_used_at is None
    for seconds in (0, 59, 60):
        entered(accounts, key, NOW + timedelta(seconds=seconds))
    assert [one.last_used_at for one in accounts.list_keys(acme)] == [NOW + MINUTE]
    accounts.admit(key, NOW + 9 * MINUTE)
    assert [one.last_used_at for one in accounts.list_keys(acme)] == [NOW + MINUTE], "to look at a key is not to use it"


def test_a_refused_key_is_neither_counted_nor_used(accounts: Accounts, postgres_dsn: str, acme: str) -> None:
    key, kept = accounts.create_key(acme, NOW, scopes=["read"])
    assert accounts.enter(key[:-1] + ("0" if key[-1] != "0" else "1"), NOW) == "unknown"
    accounts.revoke_key(kept.prefix, NOW)
    assert accounts.enter(key, NOW) == "revoked"
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM key_use WHERE prefix = %s", (kept.prefix,)).fetchone() == (0,)

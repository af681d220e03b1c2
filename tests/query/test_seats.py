"""Seats: against a brute force over every millisecond that matters, and rule by rule."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from services.events.times import format_ms
from tests.query.conftest import Api
from tests.query.stage import ClickHouse, Fact, assignment, login, ms, peak

SEATS = "/v1/usage/seats"
MINUTE_MS = 60_000
DAY_MS = 86_400_000

Presence = tuple[str, frozenset[str], int, int]
"""(agent, apps, start, end)."""


def brute_peak(presences: Sequence[Presence], apps: frozenset[str], first: int, end: int) -> tuple[int, int | None]:
    """S3: most distinct agents at one instant, and the earliest such instant: the number changes only where a presence begins."""
    instants = sorted({first, *(start for _, _, start, _ in presences if first < start < end)})
    counts = [(len({agent for agent, of, start, gone in presences if of & apps and start <= instant < gone}), -instant) for instant in instants]
    most, minus_at = max(counts)
    return most, -minus_at if most else None


def brute_agents(presences: Iterable[Presence], apps: frozenset[str], first: int, end: int) -> int:
    return len({agent for agent, of, start, gone in presences if of & apps and max(start, first) < min(gone, end)})


def some_presences(random_: random.Random, first: int, end: int, longest: int, apps: Callable[[], Iterable[str]]) -> list[Presence]:
    """Few agents and few instants, so that presences meet, overlap and repeat."""
    step = (end - first) // 24
    found = []
    for _ in range(25):
        start = first + random_.randrange(-12, 30) * step + random_.choice((-1, 0, 0, 1))
        found.append((random_.choice("ABCDE"), frozenset(apps()), start, start + random_.choice((0, 1, step, longest))))
    return found


def login_fact(workspace: str, number: int, presence: Presence) -> Fact:
    agent, apps, start, end = presence
    return login(workspace, agent, format_ms(start), format_ms(end), tuple(apps), login_id=f"l{number}") | {"agent_login_id": f"{workspace}-{number}"}


def assignment_fact(workspace: str, number: int, presence: Presence) -> Fact:
    agent, apps, start, end = presence
    return assignment(workspace, agent, format_ms(start), format_ms(end), *apps) | {"agent_assignment_id": f"{workspace}-{number}"}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("asked", [(), ("a",), ("a", "b")])
def test_seats_are_those_of_the_brute_force(api: Api, clickhouse: ClickHouse, seed: int, asked: tuple[str, ...]) -> None:
    """The range cuts quarters, so that peaks come from the logins. Buckets of an hour and the range as a whole, together and for each app."""
    random_ = random.Random(seed)
    first, end = ms("2026-03-02T00:07:00.001"), ms("2026-03-03T00:00:00.003")
    logins = some_presences(random_, first, end, 23 * 60 * MINUTE_MS, lambda: random_.sample("abc", random_.randint(1, 3)))
    assigned = some_presences(random_, first, end, 40 * DAY_MS, lambda: random_.sample("abc", 1))
    clickhouse.put("agent_logins", *(login_fact(api.workspace, number, each) for number, each in enumerate(logins)))
    clickhouse.put("agent_assignments", *(assignment_fact(api.workspace, number, each) for number, each in enumerate(assigned)))
    question: dict[str, Any] = {"from_": format_ms(first), "to": format_ms(end), "app_id": list(asked)}
    scope = frozenset(asked or "abc")

    for hour in api.trends(**question, interval="hour"):
        most, at = brute_peak(logins, scope, ms(hour["start"]), ms(hour["end"]))
        named, agents = (brute_agents(each, scope, ms(hour["start"]), ms(hour["end"])) for each in (logins + assigned, assigned))
        assert (hour["concurrent_seats"], hour["peak_at"] and ms(hour["peak_at"]), hour["named_seats"], hour["agent_count"]) == (most, at, named, agents)

    answer = api.ok(SEATS, **question)
    for scope_seats in (answer["together"], *answer["apps"]):
        apps = frozenset([scope_seats["app_id"]]) if scope_seats["app_id"] else scope
        most, at = brute_peak(logins, apps, first, end)
        named, agents = (brute_agents(each, apps, first, end) for each in (logins + assigned, assigned))
        ever = any(of & apps for _, of, _, _ in assigned)
        assert (scope_seats["concurrent_seats"], scope_seats["peak_at"] and ms(scope_seats["peak_at"])) == (most, at)
        assert (scope_seats["named_seats"], scope_seats["agent_count"]) == (named, agents if ever else named)
    assert [each["app_id"] for each in answer["apps"]] == sorted(app for app in scope if brute_agents(logins + assigned, frozenset(app), first, end))


def test_three_shifts_of_fifty_need_fifty_seats_and_have_150_names(api: Api, clickhouse: ClickHouse) -> None:
    shifts = (("06:00", "14:00"), ("14:00", "22:00"), ("22:00", "23:59"))
    facts = [login(api.workspace, f"{start}-{n}", f"2026-03-02T{start}", f"2026-03-02T{end}") for start, end in shifts for n in range(50)]
    clickhouse.put("agent_logins", *facts)
    clickhouse.put("seat_peaks", *(peak(api.workspace, f"2026-03-02T{hour:02}:{minute:02}", 50) for hour in range(6, 24) for minute in (0, 15, 30, 45)))
    together = api.ok(SEATS, from_="2026-03-02", to="2026-03-03")["together"]
    assert (together["concurrent_seats"], together["peak_at"]) == (50, "2026-03-02T06:00:00.000+00:00")
    assert (together["named_seats"], together["agent_count"], together["agent_count_is"]) == (150, 150, "named_seats")


def test_peaks_of_whole_quarters_come_from_the_facts_of_each_scope(api: Api, clickhouse: ClickHouse) -> None:
    w = api.workspace
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:00", 3), peak(w, "2026-03-02T10:00", 2, app_id="a"), peak(w, "2026-03-02T10:15", 2, app_id="b"))
    clickhouse.put("seat_peaks", peak(w, "2026-03-02T10:00", 1, app_id="a", revision=2))
    answer = api.ok(SEATS, from_="2026-03-02", to="2026-03-03")
    assert answer["together"]["scope"] == "workspace"
    assert answer["together"]["concurrent_seats"] == 3
    assert [(each["app_id"], each["concurrent_seats"]) for each in answer["apps"]] == [("a", 1), ("b", 2)]


def test_a_range_without_anybody_has_no_seat(api: Api) -> None:
    answer = api.ok(SEATS, from_="2026-03-02", to="2026-03-03")
    assert answer["apps"] == []
    assert answer["together"].items() >= {"concurrent_seats": 0, "peak_at": None, "named_seats": 0, "agent_count": 0}.items()


def test_ten_thousand_buckets_and_an_assignment_over_all_of_them(api: Api, clickhouse: ClickHouse) -> None:
    clickhouse.put("agent_assignments", assignment(api.workspace, "ann", "2020-01-01", None))
    buckets = api.trends(from_="2025-11-01", to="2026-02-13T04:00:00Z", interval="15m")
    assert len(buckets) == 10_000
    assert {bucket["agent_count"] for bucket in buckets} == {1}

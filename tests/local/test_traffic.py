"""The made-up traffic: a pure function of its settings, in time order, of every type, and what ingest accepts."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from multiprocessing import get_context
from tracemalloc import get_traced_memory
from tracemalloc import start as start_tracing
from tracemalloc import stop as stop_tracing
from typing import Any

import msgspec
import pytest

from services.events.decode import decode
from services.events.event import Kind, Refusal
from services.events.times import parse_ms
from services.local.traffic import TrafficSettings, platform_of, timed_traffic, traffic
from services.runtime.logtime import LogTime

DAY_MS = 86_400_000
START_MS = parse_ms("2026-03-02T00:00:00Z")
ONE_DAY = TrafficSettings(start_ms=START_MS, end_ms=START_MS + DAY_MS)
THREE_DAYS = replace(ONE_DAY, end_ms=START_MS + 3 * DAY_MS)
NOISY = replace(THREE_DAYS, noise=True)


@dataclass(frozen=True)
class Event:
    """An accepted line: its kind and time as ingest sees them, and what its sender wrote."""

    kind: Kind
    time_ms: int
    said: dict[str, Any]

    def text(self, name: str) -> str:
        return str({**self.said, **self.said["data"]}.get(name) or "")

    @property
    def subject(self) -> str:
        return self.text("subject")


def read(settings: TrafficSettings) -> list[Event | Refusal]:
    """What ingest makes of it, with log times as `emit` gives them."""
    log_time = LogTime(lambda: settings.end_ms)
    decoded: list[Event | Refusal] = []
    for line in traffic(settings):
        result = decode(line, log_time.of(time_of(line)))
        decoded.append(result if isinstance(result, Refusal) else Event(result.kind, result.time_ms, msgspec.json.decode(line)))
    return decoded


def time_of(line: bytes) -> int | None:
    try:
        return parse_ms(msgspec.json.decode(line)["time"])
    except (msgspec.DecodeError, ValueError):
        return None


@pytest.fixture(scope="module")
def clean() -> list[Event]:
    events = read(replace(THREE_DAYS, workspaces=2))
    assert [result for result in events if isinstance(result, Refusal)] == []
    return [result for result in events if isinstance(result, Event)]


@pytest.mark.parametrize("settings", [ONE_DAY, replace(ONE_DAY, noise=True)])
def test_the_same_settings_give_the_same_bytes(settings: TrafficSettings) -> None:
    assert list(traffic(settings)) == list(traffic(settings))


def test_another_seed_shares_no_event_id() -> None:
    def ids(settings: TrafficSettings) -> set[str]:
        return {msgspec.json.decode(line)["id"] for line in traffic(settings)}

    assert ids(ONE_DAY).isdisjoint(ids(replace(ONE_DAY, seed=2)))


def test_a_later_end_only_adds_lines_at_the_end() -> None:
    shorter = list(traffic(ONE_DAY))
    assert list(islice(traffic(THREE_DAYS), len(shorter))) == shorter


def test_lines_come_in_time_order_and_inside_the_range(clean: list[Event]) -> None:
    times = [event.time_ms for event in clean]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[0] >= START_MS
    assert times[-1] < THREE_DAYS.end_ms


def test_every_kind_of_event_occurs_in_a_month() -> None:
    settings = replace(THREE_DAYS, end_ms=START_MS + 30 * DAY_MS, agents=60)
    kinds = {event.kind for event in read(settings) if isinstance(event, Event)}
    assert kinds == set(Kind) - {Kind.LOG_CLOSED}


def test_no_two_events_share_a_name(clean: list[Event]) -> None:
    names = Counter((event.text("source"), event.text("id")) for event in clean)
    assert names.most_common(1)[0][1] == 1


def test_a_subject_belongs_to_one_app_and_its_apps_to_one_workspace(clean: list[Event]) -> None:
    apps_of = {workspace.workspace_id: set(workspace.apps) for workspace in platform_of(replace(THREE_DAYS, workspaces=2))}
    assert {event.text("workspace_id") for event in clean} == set(apps_of)
    assert all({event.text("app_id"), *event.said["data"].get("app_ids", [])} - {""} <= apps_of[event.text("workspace_id")] for event in clean)
    places = {(event.subject, event.text("workspace_id"), event.text("app_id")) for event in clean if event.kind <= Kind.ALERT_FAILED}
    assert len({subject for subject, _, _ in places}) == len(places)


def test_the_load_is_what_was_asked_for() -> None:
    week = replace(ONE_DAY, end_ms=START_MS + 7 * DAY_MS, conversations_per_day=1000)
    subjects = {event.subject for event in read(week) if isinstance(event, Event) and event.kind <= Kind.ENDED_IDLE and event.text("channel") != "voice"}
    assert len(subjects) == pytest.approx(7_000, rel=0.05)


def test_a_start_in_the_middle_of_a_day_finds_agents_at_work_and_with_a_lead_in_conversations_under_way() -> None:
    noon = replace(ONE_DAY, start_ms=START_MS + DAY_MS // 2, end_ms=START_MS + DAY_MS // 2 + 60_000, lead_in_ms=3_600_000, conversations_per_day=5_000)
    events = [event for event in read(noon) if isinstance(event, Event)]
    assert sum(event.kind == Kind.LOGGED_IN for event in events) >= 3
    started = {event.subject for event in events if event.kind in (Kind.STARTED_BY_USER, Kind.STARTED_BY_BOT)}
    assert len({event.subject for event in events if event.kind == Kind.MESSAGE_BY_USER} - started) > 10


def test_an_agent_is_at_work_on_five_days_of_seven() -> None:
    week = replace(ONE_DAY, end_ms=START_MS + 7 * DAY_MS, agents=100)
    days = {(event.text("agent_id"), event.time_ms // DAY_MS) for event in read(week) if isinstance(event, Event) and event.kind == Kind.LOGGED_IN}
    assert len(days) / len({agent for agent, _ in days}) == pytest.approx(5, abs=0.5)


def test_noise_loses_nothing_and_invents_no_event() -> None:
    noise, clean = set(traffic(NOISY)), set(traffic(replace(NOISY, noise=False)))
    assert clean <= noise
    log_time_ms = NOISY.end_ms
    assert [line for line in noise - clean if not isinstance(decode(line, log_time_ms, lateness_ms=30 * DAY_MS), Refusal)] == []


def test_noise_brings_duplicates_disorder_and_refusals_of_every_kind_but_keeps_them_few() -> None:
    settings = replace(NOISY, end_ms=START_MS + 10 * DAY_MS)
    lines = list(traffic(settings))
    results = read(settings)
    reasons = Counter(result.reason for result in results if isinstance(result, Refusal))
    assert set(reasons) == {"malformed_json", "invalid_event", "unknown_type", "too_late"}
    assert sum(reasons.values()) < 0.003 * len(lines)
    assert len(lines) - len(set(lines)) == pytest.approx(0.03 * len(lines), rel=0.15)
    times = [result.time_ms for result in results if isinstance(result, Event)]
    assert sum(later < earlier for earlier, later in pairwise(times)) > 0.03 * len(times)


def test_arrivals_never_go_back() -> None:
    arrivals = [arrives_ms for arrives_ms, _ in timed_traffic(NOISY)]
    assert all(earlier <= later for earlier, later in pairwise(arrivals))


def test_what_is_held_does_not_grow_with_the_days() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:  # tracemalloc counts what other threads of a process hold, too
        _, few, many = alone.map(most_held, (1, 2, 10))  # the first one imports and caches
    assert many < 1.5 * few


def most_held(days: int) -> int:
    start_tracing()
    for _ in traffic(replace(ONE_DAY, end_ms=START_MS + days * DAY_MS, conversations_per_day=1000)):
        pass
    _, most = get_traced_memory()
    stop_tracing()
    return most

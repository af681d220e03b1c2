"""The examples of the rules (`examples.py`, `seat_examples.py`) against the two judges: the reference model, and the core."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from services.cli.meter import final, metered
from tests.meters.driver import run
from tests.reference.model import reference_facts, reference_of_events
from tests.spec import reading
from tests.spec.examples import CASES, WATERMARK_CASES, WORKED, Case, WatermarkCase
from tests.spec.seat_examples import MARK_CASES, SEAT_CASES, MarkCase, SeatCase
from tests.spec.timeline import MINUTE_MS, T0_MS, CloudEvent, by_time, cloud_events

Facts = list[dict[str, Any]]
Judge = Callable[[list[CloudEvent], int | None], Facts]
"""Events and the watermark (None: past everything) to the facts that are published then."""


def core_facts(events: list[CloudEvent], watermark_ms: int | None) -> Facts:
    """Each event a message of its own, through ingest's batcher and the fold."""
    return run([[json.dumps(event).encode()] for event in events], cap_ms=watermark_ms)


@pytest.fixture(params=[reference_of_events, core_facts], ids=["reference", "core"])
def judge(request: pytest.FixtureRequest) -> Judge:
    found: Judge = request.param
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
def test_a_timeline_gives_these_sessions(judge: Judge, case: Case) -> None:
    facts = judge(case.events(), None)
    found = reading.sessions(facts)

    assert reading.session_spans(facts) == case.expected
    assert {fact["type"] for fact in found} <= {case.type}
    if case.rules:
        assert ", ".join(fact["rule"] for fact in found) == case.rules
    if case.message_ids:
        assert ", ".join(fact["message_id"] or "-" for fact in found) == case.message_ids
    if case.conversations:
        assert reading.conversations(facts) == case.expected_conversations


@pytest.mark.parametrize("case", WATERMARK_CASES, ids=lambda case: case.slug)
def test_a_watermark_publishes_these_sessions(judge: Judge, case: WatermarkCase) -> None:
    facts = judge(case.events(), T0_MS + case.watermark_ms)

    assert reading.session_spans(facts) == case.expected
    if case.conversation:
        ((_, end, reason, _),) = reading.conversations(facts)
        assert (reason or "open") == case.conversation
        assert (end is None) == (case.conversation == "open")


@pytest.mark.parametrize("case", SEAT_CASES, ids=lambda case: case.slug)
def test_presences_take_these_seats(judge: Judge, case: SeatCase) -> None:
    facts = judge(case.events(), None)

    assert reading.concurrent_seats(facts) == case.concurrent
    assert reading.named_seats(facts) == case.named
    assert {app_id: reading.concurrent_seats(facts, app_id) for app_id in case.concurrent_of_app} == case.concurrent_of_app
    if case.quarters:
        assert reading.quarters(facts) == case.expected_quarters


@pytest.mark.parametrize("case", MARK_CASES, ids=lambda case: case.slug)
def test_marks_make_these_presences(judge: Judge, case: MarkCase) -> None:
    watermark_ms = None if case.watermark_ms is None else T0_MS + case.watermark_ms

    assert reading.presences(judge(case.events(), watermark_ms)) == case.expected


def test_a_quarter_is_published_once_the_watermark_has_passed_it(judge: Judge) -> None:
    events = SEAT_CASES[2].events()
    published = [reading.quarters(judge(events, T0_MS + 15 * MINUTE_MS + extra)) for extra in (0, 1)]

    assert published == [[], [(0, 1, 0, 2)]]


def test_a_later_episode_is_the_end_of_the_one_before(judge: Judge) -> None:
    events = cloud_events("user message 0, user message 61", subject="c")

    assert reading.conversations(judge(events, T0_MS + 16 * MINUTE_MS)) == [(0, 0, "silence", 0)]


def test_all_cases_in_one_file_give_the_sessions_of_each() -> None:
    history = by_time(case.events() for case in CASES)
    lines = [json.dumps(event).encode() + b"\n" for event in history]

    reference = reference_facts(lines, clock_ms=T0_MS + 10**9)
    core = [{"topic": fact.topic} | json.loads(fact.value) for fact in final(metered(lines, name="-", cap_ms=None, lateness_ms=24 * 60 * MINUTE_MS))]

    expected = sorted(window for case in CASES for window in case.expected)
    assert [sorted(reading.session_spans(facts)) for facts in (reference, core)] == [expected, expected]


def test_every_row_of_the_specification_is_here() -> None:
    assert len(WORKED) == 15


def test_no_two_cases_share_a_name() -> None:
    names = [case.slug for case in (*CASES, *WATERMARK_CASES, *SEAT_CASES, *MARK_CASES)]
    assert len(names) == len(set(names))

"""The examples of the rules (`examples.py`, `seat_examples.py`) against the reference model."""

from __future__ import annotations

import json

import pytest

from tests.reference.model import reference_facts, reference_of_events
from tests.spec import reading
from tests.spec.examples import CASES, WATERMARK_CASES, WORKED, Case, WatermarkCase
from tests.spec.seat_examples import MARK_CASES, SEAT_CASES, MarkCase, SeatCase
from tests.spec.timeline import MINUTE_MS, T0_MS, by_time, cloud_events


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
def test_a_timeline_gives_these_sessions(case: Case) -> None:
    facts = reference_of_events(case.events())
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
def test_a_watermark_publishes_these_sessions(case: WatermarkCase) -> None:
    facts = reference_of_events(case.events(), T0_MS + case.watermark_ms)

    assert reading.session_spans(facts) == case.expected
    if case.conversation:
        ((_, end, reason, _),) = reading.conversations(facts)
        assert (reason or "open") == case.conversation
        assert (end is None) == (case.conversation == "open")


@pytest.mark.parametrize("case", SEAT_CASES, ids=lambda case: case.slug)
def test_presences_take_these_seats(case: SeatCase) -> None:
    facts = reference_of_events(case.events())

    assert reading.concurrent_seats(facts) == case.concurrent
    assert reading.named_seats(facts) == case.named
    assert {app_id: reading.concurrent_seats(facts, app_id) for app_id in case.concurrent_of_app} == case.concurrent_of_app
    if case.quarters:
        assert reading.quarters(facts) == case.expected_quarters


@pytest.mark.parametrize("case", MARK_CASES, ids=lambda case: case.slug)
def test_marks_make_these_presences(case: MarkCase) -> None:
    watermark_ms = None if case.watermark_ms is None else T0_MS + case.watermark_ms

    assert reading.presences(reference_of_events(case.events(), watermark_ms)) == case.expected


def test_a_quarter_is_published_once_the_watermark_has_passed_it() -> None:
    events = SEAT_CASES[2].events()
    published = [reading.quarters(reference_of_events(events, T0_MS + 15 * MINUTE_MS + extra)) for extra in (0, 1)]

    assert published == [[], [(0, 1, 0, 2)]]


def test_a_later_episode_is_the_end_of_the_one_before() -> None:
    events = cloud_events("user message 0, user message 61", subject="c")

    assert reading.conversations(reference_of_events(events, T0_MS + 16 * MINUTE_MS)) == [(0, 0, "silence", 0)]


def test_all_cases_in_one_file_give_the_sessions_of_each() -> None:
    history = by_time(case.events() for case in CASES)
    lines = [json.dumps(event).encode() + b"\n" for event in history]

    facts = reference_facts(lines, clock_ms=T0_MS + 10**9)

    assert sorted(reading.session_spans(facts)) == sorted(window for case in CASES for window in case.expected)


def test_every_row_of_the_specification_is_here() -> None:
    assert len(WORKED) == 15


def test_no_two_cases_share_a_name() -> None:
    names = [case.slug for case in (*CASES, *WATERMARK_CASES, *SEAT_CASES, *MARK_CASES)]
    assert len(names) == len(set(names))

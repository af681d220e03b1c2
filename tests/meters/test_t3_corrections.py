"""T3: an event behind the watermark is applied all the same; what changes is published again with a higher revision, what is gone as void."""

from __future__ import annotations

import json

from services.events.outgoing import OutFact
from tests.meters.driver import Pipeline
from tests.meters.table import check
from tests.reference import strategies as made
from tests.spec.timeline import cloud_events


def test_a_late_end_shortens_a_session_and_takes_those_behind_it_back() -> None:
    check(
        "sessions",
        """
        0         user message
        14        user message
        16        user message
        31+1ms    watermark           -> 0-15, 15-30
        15        ended               -> void 15-30
        10        ended               -> 0-10, 14-15
        """,
    )


def test_a_late_first_message_moves_the_anchor_so_all_ids_change() -> None:
    check(
        "sessions",
        """
        5         user message
        20+1ms    watermark           -> 5-20
        0         user message        -> 0-15, void 5-20
        """,
    )


def test_a_late_return_moves_an_end_out_of_the_published() -> None:
    check(
        "sessions",
        """
        0         user message
        10        transferred
        30        ended               -> 0-10
        20        returned            -> 0-25, 25-30
        """,
    )


def test_an_event_that_changes_nothing_publishes_nothing() -> None:
    check(
        "sessions",
        """
        0         user message
        15+1ms    watermark           -> 0-15
        0         user message
        7         user message
        7         bot message
        15        user message
        """,
    )


def _revisions(facts: list[OutFact]) -> list[tuple[str, int]]:
    return [(body["status"], body["revision"]) for body in (json.loads(fact.value) for fact in facts if b"billing_session_id" in fact.value)]


def test_a_revision_is_the_generation_and_the_offset_of_the_message_that_caused_it() -> None:
    pipeline = Pipeline()
    for event in cloud_events("started 0, ended 20, ended 10", subject="c1"):
        pipeline.send([made.line(event)])

    assert _revisions(pipeline.published) == [("closed", (1 << 48) + 1), ("closed", (1 << 48) + 1), ("closed", (1 << 48) + 2), ("void", (1 << 48) + 2)]


def test_revisions_grow_over_a_restart() -> None:
    pipeline = Pipeline()
    first, second, third = cloud_events("started 0, ended 20, ended 10", subject="c1")
    pipeline.send([made.line(first), made.line(second)])
    pipeline.save()
    pipeline.restart()
    pipeline.send([made.line(third)])

    revisions = [revision for _, revision in _revisions(pipeline.published)]
    assert revisions == sorted(revisions)
    assert revisions[0] < revisions[-1]

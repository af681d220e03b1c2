"""A1, A2: each delivered alert is one session of no length, published at once; the same event again is the same fact."""

from __future__ import annotations

import json
from typing import Any

from services.events import topics
from tests.meters.driver import Pipeline, folded
from tests.meters.table import check
from tests.spec import reading
from tests.spec.timeline import T0_MS, cloud_event


def _alert(**changes: Any) -> bytes:
    event = cloud_event("alert", T0_MS, event_id="e1", subject="a1", scope={"workspace_id": "acme", "app_id": "shop"}, message_id="m1")
    return json.dumps(event | changes).encode()


def test_a_report_every_eight_hours_is_three_a_day() -> None:
    check(
        "messages",
        """
        0         alert               -> 0-0 m0
        8h        alert               -> 8h-8h m1
        16h       alert               -> 16h-16h m2
        """,
    )


def test_an_alert_that_failed_is_not_billed() -> None:
    check(
        "rules",
        """
        0         alert failed
        48h       watermark
        """,
    )


def test_the_same_event_again_is_the_same_fact_to_the_byte() -> None:
    pipeline = Pipeline()
    pipeline.send([_alert()])
    pipeline.save()
    pipeline.restart()
    pipeline.send([_alert(), _alert()])

    assert len({(fact.key, fact.value) for fact in pipeline.published if fact.topic == reading.SESSIONS}) == 1


def test_another_event_of_the_same_alert_is_another_session() -> None:
    pipeline = Pipeline()
    pipeline.send([_alert(), _alert(id="e2"), _alert(source="elsewhere")])

    assert len(reading.sessions(folded(pipeline.published))) == 3


def test_alerts_are_published_in_order_with_the_sessions_of_their_message() -> None:
    scope = {"workspace_id": "acme", "app_id": "shop"}
    talks = [
        cloud_event(verb, T0_MS + at_ms, event_id=f"{verb}{number}", subject=f"c{number}", scope=scope, message_id="m")
        for number in range(6)
        for at_ms, verb in enumerate(("user message", "ended"))
    ]
    pipeline = Pipeline()
    pipeline.send([*(_alert(id=f"e{number}") for number in range(6)), *(json.dumps(event).encode() for event in talks)])

    published = [(topics.FACT_TOPICS.index(fact.topic), fact.key) for fact in pipeline.published if fact.topic != topics.LEDGER]
    assert [topic for topic, _ in published] == [0] * 12 + [1] * 6
    assert published == sorted(published)

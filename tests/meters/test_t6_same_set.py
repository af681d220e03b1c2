"""T6, exhaustively where it is small: every order of a history, and every cut of it, give the same facts. (`test_core_equals_reference` goes further.)"""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.meters.driver import Pipeline, folded, run
from tests.reference import strategies as made
from tests.reference.model import reference_of_events
from tests.spec.timeline import cloud_events

HISTORIES = (
    "started 0, transferred 5, returned 10, user message 20, ended 31",
    "user message 0, ended 15, user message 16, transferred 16+1ms, ended idle 80",
    "voice started 0, voice progress 15+1ms, voice ended 31, voice started 30, voice ended 29",
)


@pytest.mark.parametrize("history", HISTORIES)
def test_every_order_gives_the_same_facts(history: str) -> None:
    events = cloud_events(history, subject="c1")
    expected = reference_of_events(events)

    for order in permutations(events):
        assert run([[made.line(event)] for event in order]) == expected


@pytest.mark.parametrize("history", HISTORIES)
def test_every_cut_with_everything_twice_and_a_restart_in_between_gives_the_same_facts(history: str) -> None:
    lines = [made.line(event) for event in cloud_events(history, subject="c1")]
    expected = reference_of_events(cloud_events(history, subject="c1"))

    for cuts in range(2 ** (len(lines) - 1)):
        pipeline = Pipeline()
        message: list[bytes] = []
        for place, line in enumerate(lines):
            message += [line, line]
            if cuts >> place & 1 or place == len(lines) - 1:
                pipeline.send(message)
                pipeline.save()
                pipeline.restart()
                message = []
        pipeline.close()
        assert folded(pipeline.published) == expected

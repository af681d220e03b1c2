"""T6, and with it every rule: the core gives what the reference model gives, whatever the order, repetition, cuts, workers and restarts."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.meters.driver import Pipeline, folded, run
from tests.parts.examples import examples
from tests.reference import strategies as made
from tests.reference.model import reference_of_events


def _lines(message: list[dict[str, Any]]) -> list[bytes]:
    return [made.line(event) for event in message]


@settings(max_examples=examples(400), deadline=None)
@given(st.data())
def test_any_order_any_repetition_and_any_cut_give_the_facts_of_the_reference(data: st.DataObject) -> None:
    history = data.draw(made.histories)
    messages = data.draw(made.delivered(history))
    watermark_ms = data.draw(made.watermarks(history))

    assert run([_lines(m) for m in messages], cap_ms=watermark_ms) == reference_of_events(history, watermark_ms)


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_several_workers_give_the_facts_of_one(data: st.DataObject) -> None:
    history = data.draw(made.histories)
    messages = [_lines(m) for m in data.draw(made.delivered(history))]

    assert run(messages, partitions=3, pages=7) == reference_of_events(history)


@settings(max_examples=examples(250), deadline=None)
@given(st.data())
def test_a_restart_between_any_two_messages_changes_nothing(data: st.DataObject) -> None:
    history = data.draw(made.histories)
    watermark_ms = data.draw(made.watermarks(history))
    pipeline = Pipeline(partitions=2, pages=3, cap_ms=watermark_ms)
    for message in data.draw(made.delivered(history)):
        pipeline.send(_lines(message))
        pipeline.save()
        pipeline.restart()
    pipeline.close()

    assert folded(pipeline.published) == reference_of_events(history, watermark_ms)

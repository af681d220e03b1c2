"""State that is damaged is refused, and a rebuild meters the raw log anew: the same facts, with higher revisions (T6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Producer

from services.events import topics
from services.processors.exits import Exit
from services.runtime.kafka import client_config
from tests.contract.metering import HISTORY, WAIT_S, Metering
from tests.reference.model import reference_of_events


def _contents(facts: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in fact.items() if name != "revision"} for _, fact in sorted(facts.items())]


def test_damaged_state_is_refused_and_a_rebuild_gives_the_same_facts_with_higher_revisions(metering: Metering) -> None:
    metering.of_generation(1)
    metering.write_history(HISTORY)
    metering.close_log()
    metering.meter()
    before = metering.newest()
    metering.damage_state()
    with metering.processor() as processor:
        assert processor.wait(WAIT_S) == Exit.STATE
    assert "quarterhour rebuild" in metering.said()

    metering.of_generation(2)
    metering.meter()

    after = metering.newest()
    assert _contents(after) == _contents(before)
    assert sorted(map(repr, _contents(after))) == sorted(map(repr, reference_of_events(HISTORY)))
    assert {fact["revision"] >> 48 for fact in before.values()} == {1}
    assert {fact["revision"] >> 48 for fact in after.values()} == {2}


def test_a_new_generation_finds_the_batches_topic_empty_and_empties_it_once(metering: Metering) -> None:
    producer = Producer(client_config(metering.settings.kafka))
    left = []
    for generation in (1, 1, 2, 2):
        metering.of_generation(generation)
        left.append(len(metering.read(topics.BATCHES)))
        producer.produce(topics.BATCHES, b"message", partition=0)
        assert producer.flush(30) == 0

    assert left == [0, 1, 0, 1]

"""The log of the measurements is what the figures say of it."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from services.events import topics
from services.events.decode import decode
from services.events.event import Refusal
from tests.bench.workload import Workload, conversations_only, lines, records

LOAD = Workload(60_000, at_once=20_000)


def test_the_same_seed_gives_the_same_log_and_another_another() -> None:
    first, again, other = (list(lines(Workload(5_000, seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_log_has_the_records_asked_for_three_in_a_hundred_of_them_repeated_and_log_times_never_go_back() -> None:
    values, log_ms = [], []
    for some in records(LOAD):
        values += some.values
        log_ms += some.log_ms
    assert len(values) == LOAD.events
    assert log_ms == sorted(log_ms)
    repeated = len(values) - len(set(values))
    assert 0.02 < repeated / len(values) < 0.035


def test_ingest_accepts_all_but_the_share_that_is_meant_to_be_refused() -> None:
    outcomes: Counter[str] = Counter()
    for some in records(LOAD):
        for value, log_ms in zip(some.values, some.log_ms, strict=True):
            found = decode(value, log_ms)
            outcomes[found.reason if isinstance(found, Refusal) else "accepted"] += 1
    assert set(outcomes) <= {"accepted", "malformed_json", "too_late"}
    assert outcomes["malformed_json"] == pytest.approx(LOAD.events * LOAD.refused / 2, rel=0.8)


def test_a_log_for_the_peers_has_one_topic_and_nothing_to_refuse() -> None:
    for some in records(conversations_only(LOAD)):
        assert set(some.topics) == {topics.RAW_TOPICS.index(topics.CONVERSATIONS)}
        assert not any(isinstance(decode(value, log_ms), Refusal) for value, log_ms in zip(some.values, some.log_ms, strict=True))


def test_every_kind_of_event_is_in_a_mixed_log() -> None:
    kinds: Counter[str] = Counter()
    for line in lines(Workload(200_000, at_once=1_000, refused=0.0)):
        kinds[msgspec.json.decode(line)["type"]] += 1
    assert len(kinds) == 11

"""Which offsets may be committed, and when."""

from __future__ import annotations

from services.sink.waiting import Waiting

FACT = b"0123456789"


def test_an_offset_may_be_committed_when_its_topic_is_inserted_and_not_before() -> None:
    waiting = Waiting()
    waiting.add(("a", 0), 5, FACT, 1.0)
    waiting.add(("a", 0), 9, FACT, 2.0)
    waiting.add(("b", 0), 3, FACT, 3.0)
    assert (waiting.inserted, waiting.count, waiting.since_s) == ({}, 3, 1.0)
    waiting.topic_done("a")
    assert (waiting.inserted, waiting.count) == ({("a", 0): 10}, 1)
    waiting.topic_done("b")
    assert (waiting.inserted, waiting.count, waiting.size_bytes) == ({("a", 0): 10, ("b", 0): 4}, 0, 0)


def test_a_partition_that_is_taken_away_is_neither_inserted_nor_committed() -> None:
    waiting = Waiting()
    waiting.add(("a", 0), 5, FACT, 1.0)
    waiting.topic_done("a")
    waiting.add(("a", 0), 6, FACT, 1.0)
    waiting.add(("a", 1), 2, FACT, 1.0)
    waiting.forget([("a", 0), ("a", 7)])
    assert (waiting.inserted, waiting.by_topic(), waiting.count) == ({}, {"a": [FACT]}, 1)


def test_age_counts_from_the_oldest_row_that_still_waits() -> None:
    waiting = Waiting()
    waiting.add(("a", 0), 0, FACT, 1.0)
    waiting.topic_done("a")
    waiting.add(("a", 0), 1, FACT, 5.0)
    assert waiting.since_s == 5.0

"""T1, T2: the watermark is the least progress of all source partitions; ticks move those that are read to their end."""

from __future__ import annotations

from tests.meters.sources import Sources
from tests.spec.timeline import MINUTE_MS, offset_ms, spans


def test_progress_is_the_greatest_event_time_less_a_minute() -> None:
    sources = Sources(1)

    assert sources.read(0, "0") == []
    assert sources.watermark == -MINUTE_MS
    assert sources.read(0, "16", subject="c2") == []
    assert sources.read(0, "16+1ms", subject="c3") == spans("0-15")


def test_an_older_event_does_not_take_it_back() -> None:
    sources = Sources(1)
    sources.read(0, "16")
    sources.read(0, "3")

    assert sources.watermark == offset_ms("15")


def test_the_watermark_is_the_least_of_all_partitions() -> None:
    sources = Sources(2)
    sources.read(0, "0")
    sources.read(0, "60", subject="c2")

    assert sources.read(1, "16", subject="c3") == []
    assert sources.read(1, "16+1ms", subject="c4") == spans("0-15")


def test_a_partition_that_was_never_heard_of_holds_it_back() -> None:
    sources = Sources(2, hold=range(1))
    sources.read(0, "0")
    assert sources.read(0, "24h", subject="c2") == []

    sources.hold(1)
    assert sources.read(1, "24h", subject="c3") == spans("0-15")


def test_a_tick_alone_moves_nothing() -> None:
    sources = Sources(1)
    sources.read(0, "0")

    assert sources.tick("24h") == []
    assert sources.watermark == -MINUTE_MS


def test_a_partition_read_to_its_end_follows_the_ticks_less_a_minute() -> None:
    sources = Sources(2)
    sources.read(0, "0")

    assert sources.tick("16+1ms", idle=(0,)) == []
    assert sources.tick("16+1ms", idle=(0, 1)) == spans("0-15")


def test_it_follows_them_not_before_they_are_a_minute_past() -> None:
    sources = Sources(1)
    sources.read(0, "0")

    assert sources.tick("16", idle=(0,)) == []
    assert sources.tick("16+1ms", idle=(0,)) == spans("0-15")


def test_a_tick_never_goes_back() -> None:
    sources = Sources(1)
    sources.tick("30", idle=(0,))
    sources.tick("20", idle=(0,))

    assert sources.watermark == offset_ms("29")


def test_a_closed_log_publishes_what_ended_before() -> None:
    sources = Sources(2)
    sources.read(0, "0")

    assert sources.close(0, "15+1ms") == []
    assert sources.close(1, "15") == []
    assert sources.close(1, "15+1ms") == spans("0-15")

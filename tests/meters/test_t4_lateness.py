"""T4, T7: what is refused for its time, and until when state is kept. P2: where a conversation that sleeps is cut."""

from __future__ import annotations

import pytest

from tests.meters.sources import Sources
from tests.meters.table import check


@pytest.mark.parametrize(
    ("event", "log", "reason"),
    [
        ("0", "24h-1ms", None),
        ("0", "24h", None),
        ("0", "24h+1ms", "too_late"),
        ("5-1ms", "0", None),
        ("5", "0", None),
        ("5+1ms", "0", "future"),
    ],
)
def test_an_event_is_judged_by_its_own_log_time(event: str, log: str, reason: str | None) -> None:
    sources = Sources(1)
    sources.read(0, event, log=log)

    assert [fact["reason"] for fact in sources.rejected] == ([] if reason is None else [reason])


def test_no_other_record_is_consulted() -> None:
    sources = Sources(1)
    sources.read(0, "500h")
    sources.read(0, "0", log="24h")

    assert sources.rejected == []


def test_a_longer_lateness_bills_what_was_too_late() -> None:
    sources = Sources(1, lateness_ms=25 * 3_600_000)
    sources.read(0, "0", log="25h")
    sources.read(0, "0", log="25h+1ms")

    assert [fact["reason"] for fact in sources.rejected] == ["too_late"]


@pytest.mark.parametrize(("log", "kept"), [("49h", 2), ("49h+1ms", 1)])
def test_a_conversation_is_kept_until_the_log_is_49_hours_past_it(log: str, kept: int) -> None:
    sources = Sources(1)
    sources.read(0, "0")
    sources.read(0, log, subject="c2")

    assert sources.kept == kept


@pytest.mark.parametrize(("log", "kept"), [("49h+1ms", 2), ("80h", 1)])
def test_a_conversation_with_a_human_is_kept_until_p2_would_cut_it(log: str, kept: int) -> None:
    sources = Sources(1)
    sources.read(0, "0")
    sources.read(0, "0", "transferred")
    sources.read(0, log, subject="c2")

    assert sources.kept == kept


@pytest.mark.parametrize(("log", "kept"), [("49h+1ms", 2), ("80h", 1)])
def test_a_call_is_kept_until_p2_would_cut_it(log: str, kept: int) -> None:
    sources = Sources(1)
    sources.read(0, "0", "voice started")
    sources.read(0, log, subject="c2")

    assert sources.kept == kept


def test_the_partition_that_is_furthest_behind_decides() -> None:
    sources = Sources(2)
    sources.read(0, "0")
    sources.read(1, "0", subject="c2")
    sources.read(0, "500h", subject="c3")
    assert sources.kept == 3

    sources.read(1, "500h", subject="c4")
    assert sources.kept == 2


def test_what_is_not_published_yet_is_kept_however_old_it_is() -> None:
    sources = Sources(2)
    sources.read(0, "0")
    sources.read(0, "500h", subject="c2")
    assert sources.kept == 2

    sources.close(1, "500h")
    sources.read(0, "502h", subject="c2")
    sources.read(1, "502h", subject="c2")
    assert sources.kept == 1


@pytest.mark.parametrize(("clock", "kept"), [("49h", 3), ("50h", 1)])
def test_a_quiet_partition_runs_on_with_the_clock_of_ingest(clock: str, kept: int) -> None:
    sources = Sources(2)
    sources.read(0, "0")
    sources.read(1, "0", subject="c2")
    sources.read(0, "100h", subject="c3")
    sources.tick(clock, idle=(1,))

    assert sources.kept == kept


def test_hours_49_apart_are_one_conversation() -> None:
    check(
        "rules",
        """
        59        user message
        60-1ms    transferred
        50h-1ms   returned
        3014      watermark
        3014+1ms  watermark           -> 59-3014 U7:full
        """,
    )


def test_a_millisecond_later_they_are_50_apart_and_two_conversations() -> None:
    check(
        "rules",
        """
        59        user message
        60-1ms    transferred
        50h       returned            -> 59-60-1ms U7:stopped
        3015      watermark
        """,
    )

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


def _pass(sources: Sources, when: int, *, partition: int = 0) -> None:
    """The log passes these hours with events of another conversation; letting go may take some hours more, for it is done in turn."""
    for hour in range(when, when + 5):
        sources.read(partition, f"{hour}h", subject="other")


def test_a_conversation_is_kept_until_the_log_is_49_hours_past_it() -> None:
    sources = Sources(1)
    sources.read(0, "0")
    sources.read(0, "49h", subject="other")
    assert sources.kept() == 2

    _pass(sources, 50)
    assert sources.kept() == 1


@pytest.mark.parametrize("what", ["transferred", "voice started"])
def test_a_call_and_a_conversation_with_a_human_are_kept_until_p2_would_cut_them(what: str) -> None:
    sources = Sources(1)
    sources.read(0, "0", what)
    for hour in range(50, 76):
        sources.read(0, f"{hour}h", subject="other")
    assert sources.kept() == 2

    _pass(sources, 76)
    assert sources.kept() == 1


def test_the_partition_that_is_furthest_behind_decides() -> None:
    sources = Sources(2)
    sources.read(0, "0")
    sources.read(1, "0", subject="c2")
    _pass(sources, 500)
    sources.read(1, "49h", subject="other")
    assert sources.kept() == 3

    _pass(sources, 50, partition=1)
    assert sources.kept() == 1


def test_what_is_not_published_yet_is_kept_however_old_it_is() -> None:
    sources = Sources(2, hold=range(1))
    sources.read(0, "0")
    _pass(sources, 500)

    assert sources.kept() == 2


@pytest.mark.parametrize(("clock", "kept"), [(49, 3), (54, 1)])
def test_a_quiet_partition_runs_on_with_the_clock_of_ingest(clock: int, kept: int) -> None:
    sources = Sources(2)
    sources.read(0, "0")
    sources.read(1, "0", subject="c2")
    sources.read(0, "100h", subject="other")
    for hour in range(1, clock + 1):
        sources.tick(f"{hour}h", idle=(1,))

    assert sources.kept() == kept


def test_a_partition_that_may_hold_something_unread_does_not_run_on() -> None:
    sources = Sources(2)
    sources.read(0, "0")
    sources.read(1, "0", subject="c2")
    sources.read(0, "100h", subject="other")
    sources.tick("200h")
    assert sources.kept() == 3

    sources.read(1, "1h", "user message", clock="201h", subject="c2")
    for hour in range(202, 255):
        sources.tick(f"{hour}h", idle=(1,))
    assert sources.kept() == 1


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


def test_a_partition_that_is_not_read_yet_holds_state_back() -> None:
    sources = Sources(2)
    sources.read(0, "10", "voice started")
    sources.read(0, "15", "voice ended")
    _pass(sources, 500)

    assert sources.kept() == 2


def test_a_partition_that_is_read_to_its_end_without_a_record_does_not() -> None:
    sources = Sources(2)
    sources.tick("1", idle=(1,))
    sources.read(0, "10", "voice started")
    sources.read(0, "15", "voice ended")
    _pass(sources, 500)

    assert sources.kept() == 1

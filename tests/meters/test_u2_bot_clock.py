"""U2: the bot clock is time without human time; human time that begins after the episode's `ended` is not of the episode."""

from __future__ import annotations

from tests.meters.table import check


def test_the_clock_stands_still_while_a_human_has_it() -> None:
    check(
        "conversations",
        """
        0         started
        4         transferred
        34        returned
        45        ended               -> 0-45 user 30 1
        """,
    )


def test_silence_is_measured_on_the_clock() -> None:
    check(
        "sessions",
        """
        0         user message
        1         transferred
        100       returned
        160       user message        -> 0-114, 114-129, 129-144
        160+1ms   watermark           -> 144-159
        """,
    )


def test_a_millisecond_more_of_the_clock_is_another_episode() -> None:
    check(
        "sessions",
        """
        0         user message
        1         transferred
        100       returned
        160+1ms   user message        -> 0-114
        """,
    )


def test_human_time_that_begins_at_the_end_counts() -> None:
    check(
        "rules",
        """
        0         started
        14.5      transferred
        14.5      ended idle          -> 0-14.5 U7:stopped
        """,
    )


def test_human_time_that_begins_a_millisecond_after_the_end_does_not_count() -> None:
    check(
        "rules",
        """
        0         started
        14.5      user message
        14.5      ended idle          -> 0-15 U7:full
        14.5+1ms  transferred
        30        returned
        """,
    )

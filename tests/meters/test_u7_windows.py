"""U7: where session k starts and ends, and why (U13)."""

from __future__ import annotations

from tests.meters.table import check


def test_a_session_never_starts_in_human_time() -> None:
    check(
        "sessions",
        """
        0         started
        15        transferred
        40        returned            -> 0-15
        41        ended               -> 40-41
        """,
    )


def test_human_time_a_millisecond_before_the_quarter_moves_the_end_behind_it() -> None:
    check(
        "sessions",
        """
        0         started
        15-1ms    transferred
        40        returned
        41        ended               -> 0-40+1ms, 40+1ms-41
        """,
    )


def test_human_time_a_millisecond_after_the_quarter_lies_inside_the_second_session() -> None:
    check(
        "sessions",
        """
        0         started
        15+1ms    transferred
        40        returned            -> 0-15
        41        ended               -> 15-41
        """,
    )


def test_a_missing_end_does_not_shorten_a_window() -> None:
    check(
        "rules",
        """
        0         user message
        14        user message
        31        user message        -> 0-15 U7:full
        31        watermark           -> 15-30 U7:full
        45        watermark
        45+1ms    watermark           -> 30-45 U7:full
        """,
    )


def test_an_idle_end_does_not_shorten_a_window() -> None:
    check(
        "rules",
        """
        0         user message
        5         ended idle          -> 0-15 U7:full
        """,
    )


def test_a_clock_that_stopped_for_good_ends_the_session_where_it_stopped() -> None:
    check(
        "rules",
        """
        0         started
        16        transferred
        20        ended idle          -> 0-15 U7:full, 15-16 U7:stopped
        """,
    )


def test_a_clock_that_stopped_at_a_full_window_filled_it() -> None:
    check(
        "rules",
        """
        0         started
        15        transferred
        20        ended idle          -> 0-15 U7:full
        """,
    )


def test_an_end_after_human_time_ends_the_session_where_the_clock_first_read_it() -> None:
    check(
        "rules",
        """
        0         started
        5         transferred
        60        ended               -> 0-5 U7:ended
        """,
    )

"""U6: max(1, ceil(B / 15 min)) sessions; the quarter of an hour belongs to the session that it fills."""

from __future__ import annotations

from tests.meters.table import check


def test_thirty_one_minutes_are_three_sessions() -> None:
    check(
        "sessions",
        """
        0         started
        31        ended               -> 0-15, 15-30, 30-31
        """,
    )


def test_no_time_at_all_is_one_session() -> None:
    check(
        "sessions",
        """
        0         started
        0         ended               -> 0-0
        """,
    )


def test_a_millisecond_less_than_a_quarter_of_an_hour_is_one_session() -> None:
    check(
        "rules",
        """
        0         started
        15-1ms    ended               -> 0-15-1ms U7:ended
        """,
    )


def test_a_quarter_of_an_hour_is_one_session() -> None:
    check(
        "rules",
        """
        0         started
        15        ended               -> 0-15 U7:full
        """,
    )


def test_a_millisecond_more_is_two() -> None:
    check(
        "rules",
        """
        0         started
        15+1ms    ended               -> 0-15 U7:full, 15-15+1ms U7:ended
        """,
    )


def test_a_user_message_at_the_quarter_of_an_hour_is_no_second_session() -> None:
    check(
        "sessions",
        """
        0         user message
        15        user message
        60        watermark           -> 0-15
        """,
    )


def test_a_user_message_a_millisecond_later_is_a_second_session() -> None:
    check(
        "sessions",
        """
        0         user message
        15+1ms    user message
        60        watermark           -> 0-15, 15-30
        """,
    )


def test_the_count_is_of_the_clock_not_of_the_wall() -> None:
    check(
        "sessions",
        """
        0         started
        10        transferred
        40        returned
        45        ended               -> 0-45
        """,
    )


def test_a_millisecond_more_of_the_clock_is_a_session_more() -> None:
    check(
        "sessions",
        """
        0         started
        10        transferred
        40        returned
        45+1ms    ended               -> 0-45, 45-45+1ms
        """,
    )

"""U1: human time lasts from a `transferred` to the next `returned`; what an `ended` does to it."""

from __future__ import annotations

from tests.meters.table import check


def test_human_time_is_not_billed() -> None:
    check(
        "rules",
        """
        0         started
        5         transferred
        20        returned
        30        ended               -> 0-30 U7:full
        """,
    )


def test_a_millisecond_less_of_human_time_is_a_millisecond_of_the_next_session() -> None:
    check(
        "rules",
        """
        0         started
        5         transferred
        20-1ms    returned
        30        ended               -> 0-30-1ms U7:full, 30-1ms-30 U7:ended
        """,
    )


def test_a_second_transfer_changes_nothing() -> None:
    check(
        "sessions",
        """
        0         started
        5         transferred
        10        transferred
        20        returned
        30+1ms    ended               -> 0-30, 30-30+1ms
        """,
    )


def test_a_return_to_the_bot_that_has_it_changes_nothing() -> None:
    check(
        "sessions",
        """
        0         started
        5         returned
        15+1ms    ended               -> 0-15, 15-15+1ms
        """,
    )


def test_both_marks_at_one_instant_leave_it_with_the_bot() -> None:
    check(
        "sessions",
        """
        0         started
        5         transferred
        5         returned
        15+1ms    ended               -> 0-15, 15-15+1ms
        """,
    )


def test_marks_a_millisecond_apart_are_a_millisecond_of_human_time() -> None:
    check(
        "sessions",
        """
        0         started
        5         transferred
        5+1ms     returned
        15+1ms    ended               -> 0-15+1ms
        """,
    )


def test_both_marks_at_one_instant_leave_it_with_the_human() -> None:
    check(
        "sessions",
        """
        0         started
        5         transferred
        20        returned
        20        transferred
        30        ended               -> 0-5
        """,
    )


def test_an_end_gives_the_conversation_back_to_the_bot() -> None:
    check(
        "rules",
        """
        0         started
        5         transferred
        30        ended               -> 0-5 U7:ended
        32        user message
        47        watermark
        47+1ms    watermark           -> 32-47 U7:full
        """,
    )


def test_an_idle_end_never_closes_human_time_for_its_episode_and_the_next_begins_with_the_bot() -> None:
    check(
        "rules",
        """
        0         started
        5         transferred
        30        ended idle          -> 0-5 U7:stopped
        40        returned
        50        user message
        65+1ms    watermark           -> 50-65 U7:full
        """,
    )


def test_an_end_comes_after_the_marks_of_its_instant() -> None:
    check(
        "sessions",
        """
        0         started
        10        transferred
        10        ended               -> 0-10
        12        user message
        27+1ms    watermark           -> 12-27
        """,
    )


def test_at_one_instant_an_end_that_is_not_idle_comes_before_an_idle_one() -> None:
    check(
        "rules",
        """
        0         started
        5         transferred
        30        ended idle          -> 0-5 U7:stopped
        30        ended               -> 0-5 U7:ended
        """,
    )

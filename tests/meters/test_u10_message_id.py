"""U10: the earliest user message outside human time in session k's part of the clock; ties by message id. Message ids: `m` and the line."""

from __future__ import annotations

from tests.meters.table import check


def test_the_first_message_of_each_session() -> None:
    check(
        "messages",
        """
        0         started
        2         user message
        3         user message
        15        user message
        15+1ms    user message
        20        ended               -> 0-15 m1, 15-20 m4
        """,
    )


def test_a_session_without_a_message_has_none() -> None:
    check(
        "messages",
        """
        0         started
        20        user message        -> 0-15 -
        20        ended               -> 15-20 m1
        """,
    )


def test_what_the_user_says_to_a_human_is_not_it() -> None:
    check(
        "messages",
        """
        0         started
        5         transferred
        5         user message
        9         user message
        10        returned
        10        user message
        11        ended               -> 0-11 m5
        """,
    )


def test_a_late_message_takes_its_place() -> None:
    check(
        "messages",
        """
        0         started
        5         user message
        6         ended               -> 0-6 m1
        4         user message        -> 0-6 m3
        4         user message
        """,
    )


def test_of_two_at_one_instant_the_smaller_id() -> None:
    check(
        "messages",
        """
        0         started
        1         bot message
        4         user message
        4         user message
        6         ended               -> 0-6 m2
        """,
    )

"""U4: where billing begins, and when nothing is billed."""

from __future__ import annotations

from tests.meters.table import check


def test_a_bot_alone_bills_nothing() -> None:
    check(
        "sessions",
        """
        0         started by bot
        1         bot message
        2         ended
        48h       watermark
        """,
    )


def test_billing_begins_with_the_first_user_message() -> None:
    check(
        "sessions",
        """
        0         started by bot
        20        user message
        36        ended               -> 20-35, 35-36
        """,
    )


def test_a_transfer_is_no_anchor() -> None:
    check(
        "sessions",
        """
        0         transferred
        10        returned
        20        ended
        48h       watermark
        """,
    )


def test_a_user_who_speaks_to_a_human_first_is_billed_from_the_return() -> None:
    check(
        "sessions",
        """
        0         started
        0         transferred
        10        returned
        40        ended               -> 10-25, 25-40
        """,
    )


def test_a_return_a_millisecond_before_the_end_bills_that_millisecond() -> None:
    check(
        "sessions",
        """
        0         started
        0         transferred
        10-1ms    returned
        10        ended               -> 10-1ms-10
        """,
    )


def test_a_return_at_the_end_bills_nothing() -> None:
    check(
        "sessions",
        """
        0         started
        0         transferred
        10        returned
        10        ended
        48h       watermark
        """,
    )


def test_a_user_who_speaks_at_the_instant_of_the_return_is_with_the_bot() -> None:
    check(
        "sessions",
        """
        0         transferred
        10        returned
        10        user message
        25        watermark
        25+1ms    watermark           -> 10-25
        """,
    )


def test_a_user_who_speaks_a_millisecond_before_the_return_waits_for_a_further_sign() -> None:
    check(
        "sessions",
        """
        0         transferred
        10-1ms    user message
        10        returned
        20        user message
        25        watermark
        25+1ms    watermark           -> 10-25
        """,
    )


def test_a_message_at_the_instant_at_which_an_end_closed_human_time_bills_nothing() -> None:
    check(
        "sessions",
        """
        0         transferred
        10        user message
        10        ended
        48h       watermark
        """,
    )


def test_a_message_at_the_instant_at_which_human_time_begins_and_ends_is_with_the_bot() -> None:
    check(
        "sessions",
        """
        10        transferred
        10        user message
        10        ended               -> 10-10
        """,
    )

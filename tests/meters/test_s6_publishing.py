"""S6: when a fact of seats or of a conversation is published: at its edge, once, and at each change."""

from __future__ import annotations

from tests.meters.table import check


def test_a_quarter_is_published_when_the_watermark_is_past_its_end() -> None:
    check(
        "peaks",
        """
        0         in ann
        15        watermark
        15+1ms    watermark           -> 0:1@0/1
        15+2ms    watermark
        """,
    )


def test_a_late_login_publishes_its_quarters_again() -> None:
    check(
        "peaks",
        """
        0         in ann
        20        out ann             -> 0:1@0/1
        31        watermark           -> 15:1@15/1
        10        in bob              -> 0:2@10/2, 15:2@15/2
        """,
    )


def test_a_late_logout_takes_quarters_back() -> None:
    check(
        "peaks",
        """
        0         in ann
        45+1ms    watermark           -> 0:1@0/1, 15:1@15/1, 30:1@30/1
        20        out ann             -> void 30:1@30/1
        15        out ann             -> void 15:1@15/1
        """,
    )


def test_a_conversation_is_published_with_its_first_session_and_at_each_change() -> None:
    check(
        "conversations",
        """
        0         user message
        10        user message
        15+1ms    watermark           -> 0- 0 1
        20        user message        -> 0- 0 2
        25        bot message
        26        ended               -> 0-26 user 0 2
        26+1ms    watermark
        """,
    )


def test_a_conversation_in_which_nothing_is_billed_has_no_fact() -> None:
    check(
        "conversations",
        """
        0         started by bot
        5         ended
        48h       watermark
        """,
    )


def test_what_an_end_takes_back_is_void() -> None:
    check(
        "conversations",
        """
        0         user message
        0         transferred
        5         returned
        10        user message
        20+1ms    watermark           -> 5- 0 1
        4         ended               -> void 5- 0 1
        """,
    )


def test_a_restart_publishes_nothing_again() -> None:
    check(
        "peaks",
        """
        0         in ann
        30+1ms    watermark           -> 0:1@0/1, 15:1@15/1
        30+1ms    restart
        30+2ms    watermark
        45        watermark
        45+1ms    watermark           -> 30:1@30/1
        """,
    )

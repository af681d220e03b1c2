"""U8: a session is published once the watermark passes its end, or an `ended` ended the episode: never before, and no later."""

from __future__ import annotations

from tests.meters.table import check


def test_a_session_waits_until_the_watermark_is_past_its_end() -> None:
    check(
        "sessions",
        """
        0         user message
        15-1ms    watermark
        15        watermark
        15+1ms    watermark           -> 0-15
        """,
    )


def test_an_end_publishes_at_once() -> None:
    check(
        "sessions",
        """
        0         user message
        20        ended               -> 0-15, 15-20
        """,
    )


def test_an_idle_end_publishes_at_once() -> None:
    check(
        "sessions",
        """
        0         user message
        20        user message        -> 0-15
        21        ended idle          -> 15-30
        """,
    )


def test_a_session_does_not_wait_for_the_next_one() -> None:
    check(
        "sessions",
        """
        0         user message
        10        user message
        20        user message        -> 0-15
        30        watermark
        30+1ms    watermark           -> 15-30
        """,
    )


def test_the_bots_messages_are_no_evidence() -> None:
    check(
        "sessions",
        """
        0         user message
        15+1ms    bot message
        16+2ms    bot message         -> 0-15
        24h       watermark
        """,
    )


def test_a_return_is_no_evidence() -> None:
    check(
        "sessions",
        """
        0         user message
        5         transferred
        10        returned
        40        bot message         -> 0-20
        24h       watermark
        """,
    )


def test_a_transfer_is_evidence() -> None:
    check(
        "sessions",
        """
        0         user message
        15+1ms    transferred
        16        returned
        24h       watermark           -> 0-15, 15-31-1ms
        """,
    )


def test_a_transfer_at_the_quarter_is_none() -> None:
    check(
        "sessions",
        """
        0         user message
        15        transferred
        16        returned
        24h       watermark           -> 0-15
        """,
    )


def test_a_window_that_human_time_leaves_open_waits_for_the_return() -> None:
    check(
        "sessions",
        """
        0         user message
        5         transferred
        20h       watermark
        1300      returned
        1310      watermark
        1310+1ms  watermark           -> 0-1310
        """,
    )


def test_open_human_time_is_given_up_a_day_after_the_last_event() -> None:
    check(
        "rules",
        """
        0         user message
        5         transferred
        1445-1ms  watermark
        1445      watermark
        1445+1ms  watermark           -> 0-5 U7:stopped
        """,
    )


def test_any_event_of_the_conversation_puts_that_off() -> None:
    check(
        "rules",
        """
        0         user message
        5         transferred
        10        agent message
        10+1ms    bot message
        1450      watermark
        1450+1ms  watermark
        1450+2ms  watermark           -> 0-5 U7:stopped
        """,
    )


def test_an_event_of_another_conversation_does_not() -> None:
    check(
        "rules",
        """
        0         user message as c1
        5         transferred as c1
        10        agent message as c2
        1445+1ms  watermark           -> 0-5 U7:stopped
        """,
    )


def test_a_return_after_that_is_a_revision() -> None:
    check(
        "rules",
        """
        0         user message
        5         transferred
        1445+1ms  watermark           -> 0-5 U7:stopped
        1440      returned            -> void 0-5 U7:stopped
        1450      watermark
        1450+1ms  watermark           -> 0-1450 U7:full
        """,
    )


def test_a_restart_does_not_forget_what_is_to_be_closed() -> None:
    check(
        "sessions",
        """
        0         user message
        5         restart
        15        watermark
        15        restart
        15+1ms    watermark           -> 0-15
        16        restart
        48h       watermark
        """,
    )

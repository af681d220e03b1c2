"""U3: which signs make one episode, what an `ended` closes, and the grace after it."""

from __future__ import annotations

from tests.meters.table import check


def test_an_hour_of_silence_is_one_episode() -> None:
    check(
        "sessions",
        """
        0         user message
        60        user message        -> 0-15, 15-30, 30-45
        60+1ms    watermark           -> 45-60
        """,
    )


def test_an_hour_and_a_millisecond_of_silence_part_two_episodes() -> None:
    check(
        "sessions",
        """
        0         user message
        60+1ms    user message        -> 0-15
        75+1ms    watermark
        75+2ms    watermark           -> 60+1ms-75+1ms
        """,
    )


def test_a_late_sign_in_the_silence_joins_the_two_again() -> None:
    check(
        "sessions",
        """
        0         user message
        61        user message        -> 0-15
        76+1ms    watermark           -> 61-76
        30        user message        -> 15-30, 30-45, 45-60, 60-75, void 61-76
        """,
    )


def test_an_end_after_an_hour_of_silence_closes_the_episode() -> None:
    check(
        "rules",
        """
        0         user message
        60        ended               -> 0-15 U7:full, 15-30 U7:full, 30-45 U7:full, 45-60 U7:full
        """,
    )


def test_an_end_a_millisecond_later_closes_nothing() -> None:
    check(
        "conversations",
        """
        0         user message
        60+1ms    ended               -> 0- 0 1
        60+1ms    watermark           -> 0-0 silence 0 1
        """,
    )


def test_an_end_counts_for_the_sign_of_its_own_instant() -> None:
    check(
        "sessions",
        """
        0         user message
        10        ended               -> 0-10
        10        user message
        """,
    )


def test_an_end_before_the_last_sign_closes_what_was_before_it() -> None:
    check(
        "sessions",
        """
        0         user message
        10        user message
        5         ended               -> 0-5
        25+1ms    watermark           -> 10-25
        """,
    )


def test_a_good_bye_after_a_minute_adds_nothing() -> None:
    check(
        "sessions",
        """
        0         started
        5         ended               -> 0-5
        6         user message
        24h       watermark
        """,
    )


def test_a_message_a_millisecond_after_the_grace_begins_a_new_episode() -> None:
    check(
        "sessions",
        """
        0         started
        5         ended               -> 0-5
        6+1ms     user message
        24h       watermark           -> 6+1ms-21+1ms
        """,
    )


def test_a_second_end_does_not_begin_the_grace_anew() -> None:
    check(
        "sessions",
        """
        0         started
        5         ended               -> 0-5
        5.5       ended
        6+1ms     user message
        24h       watermark           -> 6+1ms-21+1ms
        """,
    )


def test_a_transfer_in_the_grace_is_no_sign_and_counts_as_a_mark() -> None:
    check(
        "sessions",
        """
        0         started
        5         ended               -> 0-5
        6         transferred
        8         user message
        10        returned
        12        ended               -> 10-12
        """,
    )


def test_a_transfer_a_millisecond_after_the_grace_is_a_sign() -> None:
    check(
        "conversations",
        """
        0         started
        5         ended               -> 0-5 user 0 1
        6+1ms     transferred
        65        returned
        66        user message
        67        ended               -> 66-67 user 0 1
        """,
    )


def test_human_time_that_is_open_when_an_episode_begins_stays_open() -> None:
    check(
        "rules",
        """
        0         started
        5         ended               -> 0-5 U7:ended
        5.5       transferred
        8         user message
        20        ended
        """,
    )


def test_what_the_bot_and_the_agent_say_neither_begins_nor_prolongs_an_episode() -> None:
    check(
        "sessions",
        """
        0         bot message
        1         agent message
        10        user message
        60        bot message         -> 10-25
        69        agent message
        70+1ms    user message
        24h       watermark           -> 70+1ms-85+1ms
        """,
    )

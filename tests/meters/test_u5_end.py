"""U5: te is the `ended` that closed the episode, if it is not idle, else the last sign."""

from __future__ import annotations

from tests.meters.table import check


def test_an_end_is_the_end() -> None:
    check(
        "conversations",
        """
        0         started
        20        ended by agent      -> 0-20 agent 0 2
        """,
    )


def test_with_an_idle_end_the_last_sign_is_the_end() -> None:
    check(
        "conversations",
        """
        0         started
        10        user message
        20        ended idle          -> 0-10 idle 0 1
        """,
    )


def test_without_an_end_it_is_the_last_sign() -> None:
    check(
        "conversations",
        """
        0         started
        10        transferred
        20        returned
        25+1ms    watermark           -> 0- 0 1
        80        watermark
        80+1ms    watermark           -> 0-10 silence 0 1
        """,
    )


def test_at_one_instant_an_end_that_is_not_idle_counts() -> None:
    check(
        "conversations",
        """
        0         started
        20        ended idle          -> 0-0 idle 0 1
        20        ended by bot        -> 0-20 bot 0 2
        """,
    )


def test_an_idle_end_a_millisecond_earlier_counts() -> None:
    check(
        "conversations",
        """
        0         started
        20        ended by bot        -> 0-20 bot 0 2
        20-1ms    ended idle          -> 0-0 idle 0 1
        """,
    )

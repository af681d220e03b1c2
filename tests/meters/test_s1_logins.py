"""S1: a login lasts from its login to its logout, for a day at most; which of several counts. Facts as the watermark reaches them (S7)."""

from __future__ import annotations

from tests.meters.table import check


def test_a_login_has_a_fact_when_the_watermark_is_past_its_start_and_again_past_its_end() -> None:
    check(
        "logins",
        """
        0         in ann
        5         out ann             -> ann 0-
        5         watermark
        5+1ms     watermark           -> ann 0-5
        """,
    )


def test_the_earliest_logout_not_before_the_login_counts() -> None:
    check(
        "logins",
        """
        5-1ms     out ann
        5         in ann
        9         out ann             -> ann 5-
        9+1ms     watermark           -> ann 5-9
        7         out ann             -> ann 5-7
        """,
    )


def test_a_logout_at_the_instant_of_the_login_is_an_empty_presence() -> None:
    check(
        "logins",
        """
        5         in ann
        5         out ann
        5+1ms     watermark           -> ann 5-5
        """,
    )


def test_a_logout_alone_counts_for_nothing_and_is_kept_for_its_login() -> None:
    check(
        "logins",
        """
        5         out ann
        9         watermark
        2         in ann              -> ann 2-5
        """,
    )


def test_a_login_without_a_logout_ends_after_a_day() -> None:
    check(
        "logins",
        """
        0         in ann
        24h       watermark           -> ann 0-
        24h+1ms   watermark           -> ann 0-24h
        """,
    )


def test_a_logout_a_millisecond_after_a_day_is_too_late() -> None:
    check(
        "logins",
        """
        0         in ann
        24h+1ms   out ann             -> ann 0-
        25h       watermark           -> ann 0-24h
        """,
    )


def test_a_logout_a_millisecond_before_a_day_counts() -> None:
    check(
        "logins",
        """
        0         in ann
        24h-1ms   out ann             -> ann 0-
        25h       watermark           -> ann 0-24h-1ms
        """,
    )


def test_a_second_login_within_a_day_does_not_count() -> None:
    check(
        "logins",
        """
        0         in ann as x
        5         out ann as x        -> ann 0-
        24h       in bob as x         -> ann 0-5
        25h       out bob as x
        48h       watermark
        """,
    )


def test_a_login_a_millisecond_later_is_a_new_one() -> None:
    check(
        "logins",
        """
        0         in ann as x
        5         out ann as x        -> ann 0-
        24h+1ms   in bob as x         -> ann 0-5
        25h       out bob as x        -> bob 24h+1ms-
        48h       watermark           -> bob 24h+1ms-25h
        """,
    )


def test_the_day_counts_from_the_first_that_counted() -> None:
    check(
        "logins",
        """
        0         in ann as x
        20h       in bob as x         -> ann 0-
        30h       in cid as x         -> ann 0-24h
        31h       out cid as x        -> cid 30h-
        48h       watermark           -> cid 30h-31h
        """,
    )


def test_at_one_instant_the_smallest_agent_then_the_smallest_list_of_apps() -> None:
    check(
        "logins",
        """
        0         in bob shop as x
        5         watermark           -> bob 0-
        0         in ann shop as x    -> ann 0-
        """,
    )


def test_a_login_is_of_its_workspace() -> None:
    check(
        "logins",
        """
        0         in ann as x of acme
        1         in bob as x of zed
        2         out bob as x of zed -> ann 0-
        10        watermark           -> bob 1-2
        """,
    )

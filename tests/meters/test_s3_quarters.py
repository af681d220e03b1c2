"""S3: the peak of a quarter, its earliest instant, and who was there."""

from __future__ import annotations

from tests.meters.table import check


def test_of_two_logins_that_meet_the_first_is_gone() -> None:
    check(
        "peaks",
        """
        0         in ann
        7         out ann
        7         in bob
        15+1ms    watermark           -> 0:1@0/2
        """,
    )


def test_a_millisecond_together_is_a_peak_of_two() -> None:
    check(
        "peaks",
        """
        0         in ann
        7+1ms     out ann
        7         in bob
        15+1ms    watermark           -> 0:2@7/2
        """,
    )


def test_the_peak_is_at_its_earliest_instant() -> None:
    check(
        "peaks",
        """
        0         in ann
        3         in bob
        5         out bob
        9         in cid
        11        out cid
        15+1ms    watermark           -> 0:2@3/3
        """,
    )


def test_a_logout_at_the_edge_of_the_quarter_is_not_in_the_next() -> None:
    check(
        "peaks",
        """
        10        in ann
        15        out ann
        45+1ms    watermark           -> 0:1@10/1
        """,
    )


def test_a_logout_a_millisecond_later_is() -> None:
    check(
        "peaks",
        """
        10        in ann
        15+1ms    out ann
        45+1ms    watermark           -> 0:1@10/1, 15:1@15/1
        """,
    )


def test_a_login_in_the_last_millisecond_is_in_the_quarter() -> None:
    check(
        "peaks",
        """
        15-1ms    in ann
        15        out ann
        45+1ms    watermark           -> 0:1@15-1ms/1
        """,
    )


def test_a_login_at_the_edge_is_in_the_next_quarter_alone() -> None:
    check(
        "peaks",
        """
        15        in ann
        15+1ms    out ann
        45+1ms    watermark           -> 15:1@15/1
        """,
    )


def test_an_empty_presence_is_in_no_quarter() -> None:
    check(
        "peaks",
        """
        5         in ann
        5         out ann
        45+1ms    watermark
        """,
    )


def test_a_login_that_counts_for_a_day_is_in_96_quarters() -> None:
    table = "0 in ann\n24h watermark -> {}\n24h+1ms watermark -> {}\n30h watermark"
    rows = [f"{15 * k}:1@{15 * k}/1" for k in range(96)]

    check("peaks", table.format(", ".join(rows[:-1]), rows[-1]))

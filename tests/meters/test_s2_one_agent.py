"""S2: an agent twice is one agent; in two apps one in each and one in the workspace; the workspace is counted from logins."""

from __future__ import annotations

from tests.meters.table import check


def test_an_agent_on_two_devices_is_one_agent_until_both_are_gone() -> None:
    check(
        "peaks",
        """
        0         in ann as x
        1         in ann as y
        5         out ann as x
        20        out ann as y        -> 0:1@0/1
        31        watermark           -> 15:1@15/1
        """,
    )


def test_an_agent_in_two_apps_is_one_in_each_and_one_in_the_workspace() -> None:
    check(
        "peaks of apps",
        """
        0         in ann bank shop as x
        5         out ann as x
        15+1ms    watermark           -> 0:1@0/1 all, 0:1@0/1 bank, 0:1@0/1 shop
        """,
    )


def test_agents_of_two_apps_who_never_meet_are_one_seat_of_the_workspace() -> None:
    check(
        "peaks of apps",
        """
        0         in ann shop as x
        5         out ann as x
        5         in bob bank as y
        10        out bob as y
        15+1ms    watermark           -> 0:1@0/1 shop, 0:1@0/2 all, 0:1@5/1 bank
        """,
    )


def test_a_millisecond_together_is_two_seats_of_the_workspace_and_one_of_each_app() -> None:
    check(
        "peaks of apps",
        """
        0         in ann shop as x
        5+1ms     out ann as x
        5         in bob bank as y
        10        out bob as y
        15+1ms    watermark           -> 0:1@0/1 shop, 0:1@5/1 bank, 0:2@5/2 all
        """,
    )

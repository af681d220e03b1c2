"""S5, S8: an assignment is [assigned, unassigned) of one agent to one app; facts as the watermark reaches them."""

from __future__ import annotations

from tests.meters.table import check


def test_an_assignment_has_a_fact_when_the_watermark_is_past_its_start_and_again_past_its_end() -> None:
    check(
        "assignments",
        """
        0         assigned ann
        0         watermark
        0+1ms     watermark           -> ann 0-
        5         unassigned ann
        5         watermark
        5+1ms     watermark           -> ann 0-5
        """,
    )


def test_an_assignment_has_no_longest_time() -> None:
    check(
        "assignments",
        """
        0         assigned ann
        2000h     watermark           -> ann 0-
        3000h     unassigned ann
        3000h+1ms watermark           -> ann 0-3000h
        """,
    )


def test_a_mark_that_changes_nothing_is_ignored() -> None:
    check(
        "assignments",
        """
        0         unassigned ann
        1         assigned ann
        2         assigned ann
        3         unassigned ann      -> ann 1-
        4         unassigned ann
        9         watermark           -> ann 1-3
        """,
    )


def test_both_marks_at_one_instant_leave_it_as_it_was() -> None:
    check(
        "assignments",
        """
        0         assigned ann
        5         unassigned ann      -> ann 0-
        5         assigned ann
        9         watermark
        """,
    )


def test_marks_a_millisecond_apart_part_two_assignments() -> None:
    check(
        "assignments",
        """
        0         assigned ann
        5         unassigned ann      -> ann 0-
        5+1ms     assigned ann
        9         watermark           -> ann 0-5, ann 5+1ms-
        """,
    )


def test_apps_and_agents_are_apart() -> None:
    check(
        "assignments",
        """
        0         assigned ann shop
        1         assigned ann bank
        2         unassigned ann bank -> ann 0-
        3         unassigned bob shop -> ann 1-
        9         watermark           -> ann 1-2
        """,
    )

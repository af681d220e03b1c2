"""The counts by quarter in the buckets of a trend: each quarter in the bucket that holds it, whatever the edges."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.events.times import DAY_MS, HOUR_MS
from services.query.counts import count_rows, counts_statement
from services.query.statement import Scope
from services.query.trend_statements import QUARTER_MS, TrendQuestion
from tests.query.stage import ms

FIRST_MS: Final = ms("2026-03-01T00:00")
FIRST: Final = FIRST_MS // DAY_MS
COUNTS: Final = list(range(1, 97))


def question(*edges_ms: int) -> TrendQuestion:
    return TrendQuestion(Scope("acme"), edges_ms, (edges_ms[0], edges_ms[-1]), edges_ms[-1])


def pieces(asked: TrendQuestion) -> list[tuple[int, int]]:
    """(first quarter from 1, how many) of each column that is asked for."""
    columns = counts_statement(asked).text.partition("(start_day)),\n    ")[2].partition("\nFROM")[0]
    if columns == "groupArray(total)":
        return [(1, 96)]
    slices = [column.rstrip(")").partition("counts, ")[2] for column in columns.split(", groupArray(")]
    return [(int(first), int(length)) for first, length in (each.split(", ") for each in slices)]


@pytest.mark.parametrize(
    ("edges_ms", "expected"),
    [
        ((0, DAY_MS, 7 * DAY_MS), [(1, 96)]),
        ((0, DAY_MS // 4, DAY_MS), [(1, 24), (25, 72)]),
        ((18 * HOUR_MS + 2 * QUARTER_MS, 42 * HOUR_MS + 2 * QUARTER_MS), [(1, 74), (75, 22)]),
        ((4 * HOUR_MS, 28 * HOUR_MS, 51 * HOUR_MS), [(1, 12), (13, 4), (17, 80)]),
    ],
    ids=["days of UTC", "a morning", "days of Kolkata", "a day of New York that has 23 hours"],
)
def test_a_day_is_told_in_the_pieces_that_its_buckets_need(edges_ms: tuple[int, ...], expected: list[tuple[int, int]]) -> None:
    assert pieces(question(*(FIRST_MS + edge_ms for edge_ms in edges_ms))) == expected


def test_every_number_of_what_is_sent_is_bound_but_the_pieces() -> None:
    text = counts_statement(question(FIRST_MS, FIRST_MS + DAY_MS)).text
    assert str(FIRST_MS) not in text
    assert "acme" not in text


steps = st.lists(st.sampled_from([1, 2, 4, 30, 92, 96, 100, 4 * 24 * 7]), min_size=1, max_size=8)


@given(offset=st.integers(0, 95), steps=steps)
def test_each_quarter_counts_in_the_bucket_that_holds_it_and_none_outside_the_range(offset: int, steps: list[int]) -> None:
    edges_ms = [FIRST_MS + quarter * QUARTER_MS for quarter in accumulate(steps, initial=offset)]
    asked = question(*edges_ms)
    days = range((edges_ms[-1] - FIRST_MS) // DAY_MS + 1)
    columns = [[sum(COUNTS[first - 1 : first - 1 + length])] * len(days) for first, length in pieces(asked)]
    rows = [("usage", "", [FIRST + day for day in days], *columns)]
    found = {bucket_ms: value for _, _, bucket_ms, value, _ in count_rows(asked, rows)}
    expected: dict[int, int] = {}
    for day in days:
        for quarter, count in enumerate(COUNTS):
            at_ms = FIRST_MS + day * DAY_MS + quarter * QUARTER_MS
            if edges_ms[0] <= at_ms < edges_ms[-1]:
                bucket_ms = edges_ms[bisect_right(edges_ms, at_ms) - 1]
                expected[bucket_ms] = expected.get(bucket_ms, 0) + count
    assert found == expected

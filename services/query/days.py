"""Which days of t0 a range of starts can come from, and in which pieces to read a range. Pure.

Facts are sorted by the UTC day of t0, questions ask by start (T5). The counts by quarter know which days of t0 have sessions that start on a day;
days whose counts are not valid are added. So only these days are read, whatever was moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from services.events.times import DAY_MS, format_ms, parse_ms
from services.query.statement import FROM, TO, Scope, Statement, scope_parameters, scope_sql

QUARTER_MS: Final = 900_000
UNCOUNTED_ROWS: Final = 50_000
"""What a day may hold of which nothing is known: a guess that only decides how much is read at once."""
GROWTH: Final = 16
FIRST_SPAN_MS: Final = 4 * DAY_MS
Rows = tuple[tuple[str, str, int], ...]
"""(day of the start, day of t0, sessions), days as `2026-01-31`."""


@dataclass(frozen=True, slots=True)
class Days:
    """The sessions of `counted` are a guess where t0's day is in `uncounted`."""

    counted: Rows
    uncounted: tuple[str, ...]

    def of_t0(self, from_ms: int, to_ms: int) -> list[str]:
        """The days of t0 of everything that starts in [from_ms, to_ms). Never empty."""
        first, last = day_of(from_ms), day_of(to_ms - 1)
        found = {t0_day for start_day, t0_day, _ in self.counted if first <= start_day <= last}
        return sorted(found | {day for day in self.uncounted if day <= last}) or [first]

    def rows_at_most(self, length_ms: int) -> float:
        """How many sessions start in so long a time on the busiest of these days, if they lie evenly in it."""
        return max(self.rows_by_start().values(), default=0) * length_ms / DAY_MS

    def rows_by_start(self) -> dict[str, int]:
        rows = dict.fromkeys(self.uncounted, UNCOUNTED_ROWS)
        for start_day, _, count in self.counted:
            rows[start_day] = rows.get(start_day, 0) + count
        return rows


def days_statement(scope: Scope, from_ms: int, to_ms: int) -> Statement:
    """Rows (day of the start, day of t0, sessions)."""
    cut = "app" if scope.app_ids else "all"
    text = f"""SELECT toString(start_day), toString(t0_day), sum(total)
FROM usage_counts FINAL
WHERE {scope_sql(scope)} AND cut = '{cut}' AND kind != 'conversations' AND start_day >= toDate({FROM}) AND start_day <= toDate({TO})
GROUP BY start_day, t0_day"""
    return Statement(text, scope_parameters(scope) | {"from": from_ms, "to": to_ms})


ReadDays = Callable[[int, int], Days]
"""What is known of [from_ms, to_ms)."""


def spans(from_ms: int, to_ms: int, *, descending: bool = False, as_of_ms: int | None = None) -> Iterator[tuple[int, int]]:
    """[from_ms, to_ms) in the order of reading, in pieces that grow: a page seldom needs to know more than the first days. Backwards the first one
    reaches behind the watermark `as_of_ms`: after it there is next to nothing."""
    length_ms = FIRST_SPAN_MS + (max(0, to_ms - as_of_ms) if descending and as_of_ms is not None else 0)
    while from_ms < to_ms:
        if descending:
            yield max(from_ms, to_ms - length_ms), to_ms
            to_ms -= length_ms
        else:
            yield from_ms, min(to_ms, from_ms + length_ms)
            from_ms += length_ms
        length_ms *= GROWTH


def page_windows(read: ReadDays, from_ms: int, to_ms: int, rows: int, *, descending: bool, as_of_ms: int | None) -> Iterator[tuple[Days, tuple[int, int]]]:
    """Pieces in which to look for the `rows` of a page, each with what is known of its days."""
    for span in spans(from_ms, to_ms, descending=descending, as_of_ms=as_of_ms):
        days, (first_ms, end_ms) = read(*span), span
        if descending and as_of_ms is not None and first_ms < as_of_ms < end_ms:
            # The rows of that day lie before the watermark, not evenly in it.
            end_ms = as_of_ms
        for start_ms, stop_ms in windows(days, first_ms, end_ms, rows, descending=descending):
            yield days, (start_ms, span[1] if stop_ms == end_ms else stop_ms)


def windows(days: Days, from_ms: int, to_ms: int, rows: int, *, descending: bool = False, growth: int = GROWTH) -> Iterator[tuple[int, int]]:
    """Pieces of [from_ms, to_ms) in the order of reading; the first is meant to hold `rows`, each later one `growth` times as many."""
    known = days.rows_by_start()
    at_ms = to_ms if descending else from_ms
    while from_ms < at_ms if descending else at_ms < to_ms:
        if descending:
            edge_ms = max(from_ms, at_ms - _span_ms(known, at_ms, rows, -1, from_ms))
            yield edge_ms, at_ms
        else:
            edge_ms = min(to_ms, at_ms + _span_ms(known, at_ms, rows, 1, to_ms))
            yield at_ms, edge_ms
        at_ms, rows = edge_ms, rows * growth


def _span_ms(known: dict[str, int], at_ms: int, rows: int, step: int, until_ms: int) -> int:
    """How far to go from `at_ms` to meet half as many rows again as are wanted, if they lie evenly in their days."""
    span_ms, wanted = 0, rows * 1.5
    while abs(until_ms - at_ms) > span_ms:
        here_ms = at_ms + step * span_ms
        left_in_day_ms = DAY_MS - here_ms % DAY_MS if step > 0 else here_ms % DAY_MS or DAY_MS
        in_day = known.get(day_of(here_ms if step > 0 else here_ms - 1), 0) * left_in_day_ms / DAY_MS
        if in_day >= wanted:
            return span_ms + max(QUARTER_MS, round(left_in_day_ms * wanted / in_day))
        wanted -= in_day
        span_ms += left_in_day_ms
    return span_ms


def day_of(instant_ms: int) -> str:
    return format_ms(instant_ms)[:10]


def day_start_ms(day: str) -> int:
    return parse_ms(f"{day}T00:00:00Z")

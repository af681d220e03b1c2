"""Put the rows of a trend into buckets: every bucket is there, zero where nothing was, and says whether it is over (SPEC §1). Pure.

Shapes are those of `answers.Trends`; they are built as plain data, for a year of quarters by app is a million numbers and models would cost seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from services.query.freshness import Reach
from services.query.periods import Period
from services.query.statement import Scope
from services.query.trend_statements import TrendQuestion

Json = dict[str, Any]
Cell = tuple[int, int]
"""(value, first instant of a peak)."""

TYPES: Final = ("usage", "voice", "alert")
_NONE: Final[Cell] = (0, 0)
_UNTOLD_SEATS: Final[Json] = {"concurrent_seats": None, "peak_at": None, "named_seats": None, "agent_count": None}
_ZERO_SEATS: Final[Json] = {"concurrent_seats": 0, "peak_at": None, "named_seats": 0, "agent_count": 0}
_COUNTED: Final = (*TYPES, "conversations")


class Table:
    """The rows of one statement: what a key has in a bucket."""

    def __init__(self, rows: Iterable[Sequence[Any]], scope: Scope, assigned_apps: frozenset[str]) -> None:
        self._assigned_apps = assigned_apps
        self._cells: defaultdict[str, defaultdict[str, dict[int, Cell]]] = defaultdict(lambda: defaultdict(dict))
        for series, key, bucket_ms, value, at_ms in rows:
            # Counts come from days that are counted and from facts of days that are not.
            cells = self._cells[series][key]
            cells[bucket_ms] = (cells[bucket_ms][0] + value if bucket_ms in cells else value, at_ms)
        if len(scope.app_ids) == 1:
            # What one app has alone, it has together with itself; the facts of quarters tell it of the app only.
            self._cells["peak"][""] |= {bucket_ms: cell for cells in self._cells["peak"].values() for bucket_ms, cell in cells.items()}

    def keys(self, names: Iterable[str]) -> set[str]:
        return {key for name in names for key, cells in self._cells[name].items() if cells} - {""}

    def cells(self, series: str, key: str) -> Mapping[int, Cell]:
        """By bucket."""
        return self._cells[series][key]

    def cell(self, series: str, key: str, bucket_ms: int) -> Cell:
        return self._cells[series][key].get(bucket_ms, _NONE)

    def value(self, series: str, key: str, bucket_ms: int) -> int:
        return self.cell(series, key, bucket_ms)[0]

    def sums(self, series: str) -> Mapping[int, Cell]:
        """Of all keys, by bucket."""
        sums: defaultdict[int, int] = defaultdict(int)
        for cells in self._cells[series].values():
            for bucket_ms, (value, _) in cells.items():
                sums[bucket_ms] += value
        return {bucket_ms: (value, 0) for bucket_ms, value in sums.items()}

    def seats(self, key: str, bucket_ms: int, peak: Cell, period: Period, *, total: bool = False) -> Json:
        """Agents of the key in the bucket, with the peak that was found there."""
        suffix = "_total" if total else ""
        agents = "assigned" if self.is_assigned(key) else "named"
        return {
            "concurrent_seats": peak[0],
            "peak_at": period.local(peak[1]) if peak[0] else None,
            "named_seats": self.value(f"named{suffix}", key, bucket_ms),
            "agent_count": self.value(f"{agents}{suffix}", key, bucket_ms),
        }

    def has_agents(self, key: str) -> bool:
        """Whether there is any seat of the key."""
        return any(self._cells[series][key] for series in ("peak", "named", "assigned", "named_total", "assigned_total"))

    def is_assigned(self, key: str) -> bool:
        """S5: whether the scope ever had an assignment."""
        return key in self._assigned_apps if key else bool(self._assigned_apps)

    def highest(self, key: str, buckets_ms: Iterable[int]) -> Cell:
        """S4: the largest peak, the earliest of equal ones."""
        return max((self.cell("peak", key, bucket_ms) for bucket_ms in buckets_ms), key=lambda cell: (cell[0], -cell[1]), default=_NONE)


def trend_answer(question: TrendQuestion, period: Period, previous: Period | None, reach: Reach, rows: Iterable[Sequence[Any]]) -> Json:
    """`answers.Trends`."""
    table = Table(rows, question.scope, reach.assigned_apps)
    keys = _group_keys(question, table)
    return {
        "workspace_id": question.scope.workspace_id,
        "app_ids": list(question.scope.app_ids),
        "channels": list(question.channels),
        "types": list(question.types),
        "as_of": period.local_or_none(reach.as_of_ms),
        "data_since": period.local_or_none(reach.since_ms),
        "group_by": question.group_by,
        "agent_count_is": agent_count_is(table, "") if question.tells_seats else None,
        **_part(question, period, reach, table, keys),
        "previous": _part(question, previous, reach, table, keys) if previous else None,
    }


def range_echo(period: Period) -> Json:
    """`answers.RangeEcho`."""
    return {"from": period.local(period.from_ms), "to": period.local(period.to_ms), "timezone": period.zone.key, "range": period.range_name}


def agent_count_is(table: Table, key: str) -> str:
    return "assigned" if table.is_assigned(key) else "named_seats"


def _part(question: TrendQuestion, period: Period, reach: Reach, table: Table, keys: Sequence[str]) -> Json:
    together = _Series(question, period, table, None)
    starts, ends = period.starts_ms, period.edges_ms[1:]
    states = ({"start": period.local(start), "end": period.local(end), "state": reach.state(start, end)} for start, end in zip(starts, ends, strict=True))
    groups = [_Series(question, period, table, key) for key in keys]
    return {
        "range": range_echo(period) | {"interval": period.interval},
        "totals": together.totals(),
        "buckets": [state | counts for state, counts in zip(states, together.buckets(), strict=True)],
        "groups": [{"key": key, "totals": group.totals(), "buckets": group.buckets()} for key, group in zip(keys, groups, strict=True)],
    }


def _group_keys(question: TrendQuestion, table: Table) -> list[str]:
    match question.group_by:
        case None:
            return []
        case "type":
            return [name for name in TYPES if not question.types or name in question.types]
        case "channel":
            return sorted(table.keys((*TYPES, "conversations")))
        case "app":
            # An app that was asked for is there even when nothing happened in it.
            return sorted(table.keys((*TYPES, "conversations", "peak", "named_total", "assigned_total")) | set(question.scope.app_ids))


class _Series:
    """The counts of one group, or (key None) of the whole scope together."""

    def __init__(self, question: TrendQuestion, period: Period, table: Table, key: str | None) -> None:
        self._period, self._table, self._key = period, table, key or ""
        self._tells_seats = question.tells_seats and (key is None or question.seats_by_app)
        types = (key,) if key is not None and question.group_by == "type" else TYPES
        names = (*types, "conversations") if "usage" in types else types
        of = table.sums if key is None or question.group_by == "type" else partial(table.cells, key=key)
        cells: list[Mapping[int, Cell]] = [of(name) if name in names else {} for name in _COUNTED]
        self._columns = [[each.get(start_ms, _NONE)[0] for start_ms in period.starts_ms] for each in cells]

    def buckets(self) -> list[Json]:
        starts_ms = self._period.starts_ms
        counts = list(map(_counts, *self._columns))
        if (same := self._seats_of_all()) is not None:
            return [count | same for count in counts]
        of_bucket = (self._table.seats(self._key, start_ms, self._table.cell("peak", self._key, start_ms), self._period) for start_ms in starts_ms)
        return [count | seats for count, seats in zip(counts, of_bucket, strict=True)]

    def totals(self) -> Json:
        starts_ms = self._period.starts_ms
        counts = _counts(*map(sum, self._columns))
        if (same := self._seats_of_all()) is not None:
            return counts | same
        return counts | self._table.seats(self._key, starts_ms[0], self._table.highest(self._key, starts_ms), self._period, total=True)

    def _seats_of_all(self) -> Json | None:
        """Those of every bucket and of the whole, where they are the same: most workspaces and apps never had an agent."""
        if not self._tells_seats:
            return _UNTOLD_SEATS
        return None if self._table.has_agents(self._key) else _ZERO_SEATS


def _counts(usage: int, voice: int, alert: int, conversations: int) -> Json:
    return {
        "sessions": usage + voice + alert,
        "billing_sessions": usage,
        "voice_sessions": voice,
        "alert_sessions": alert,
        "conversations": conversations,
    }

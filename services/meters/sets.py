"""Sorted lists as sets: the form in which the meters keep events, so that order and repetition leave no trace (T6)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from typing import Protocol, Self, TypeVar


def take_but(values: set[int], kept: Collection[int]) -> set[int]:
    """Take all values out of a set but those to be kept."""
    taken = {value for value in values if value not in kept}
    values -= taken
    return taken


class _Ordered(Protocol):
    def __lt__(self, other: Self, /) -> bool: ...


T = TypeVar("T", bound=_Ordered)


def put_once(values: list[T], value: T) -> bool:
    """Put a value into a sorted list unless it is there; True when it was not. Cheap at the end of the list."""
    if not values or values[-1] < value:
        values.append(value)
        return True
    place = bisect_left(values, value)
    if values[place] == value:
        return False
    values.insert(place, value)
    return True

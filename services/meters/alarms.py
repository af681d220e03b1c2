"""When to look at what again: of every name at most one alarm, the one set last. Pure.

Bounded by the names, and by the alarms that were set anew before they rang.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

from services.meters.rules import FOREVER_MS

Name = TypeVar("Name", bound=tuple[str | int, ...])


class Alarms(Generic[Name]):
    """Names that can be ordered, each with the instant at which it is to be looked at."""

    __slots__ = ("_due", "_heap")

    def __init__(self) -> None:
        self._due: dict[Name, int] = {}
        self._heap: list[tuple[int, Name]] = []

    def set(self, name: Name, at_ms: int) -> None:
        """Ring for a name then, and at no other time; `FOREVER_MS`: never."""
        if at_ms >= FOREVER_MS:
            self._due.pop(name, None)
        elif self._due.get(name) != at_ms:
            self._due[name] = at_ms
            heappush(self._heap, (at_ms, name))

    def ring(self, before_ms: int) -> list[Name]:
        """The names whose instant is before this one; their alarms are gone."""
        rung = []
        while self.next_ms() < min(before_ms, FOREVER_MS):
            name = heappop(self._heap)[1]
            del self._due[name]
            rung.append(name)
        return rung

    def next_ms(self) -> int:
        """The earliest instant; `FOREVER_MS`: there is none."""
        while self._heap:
            at_ms, name = self._heap[0]
            if self._due.get(name) == at_ms:
                return at_ms
            heappop(self._heap)
        return FOREVER_MS

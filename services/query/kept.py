"""What requests of the same people need again within a moment, kept in this process: a usage page asks seven questions at once, and each of them must know how
far the numbers reach.

Rule: what is kept depends on its key and on the facts only, never on who asked; and whoever fills it reads after the key was known.
Limit: two requests that miss at the same time both ask.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """At most `entries_max` values, those used last, each for at most `kept_ms` after it was asked for; none: as long as there is room. For all threads."""

    def __init__(self, entries_max: int, kept_ms: int | None = None, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._entries_max, self._kept_ms, self._clock_s = entries_max, kept_ms, clock_s
        self._entries: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, read: Callable[[], Value]) -> Value:
        """The value of the key; `read` is asked for it when it is not known. What `read` raises is raised, and nothing is kept."""
        began_s = self._clock_s()
        with self._lock:
            if (entry := self._entries.get(key)) and self._holds(entry[0], began_s):
                self._entries.move_to_end(key)
                return entry[1]
        value = read()
        with self._lock:
            self._entries[key] = began_s, value
            self._entries.move_to_end(key)
            if len(self._entries) > self._entries_max:
                self._entries.popitem(last=False)
        return value

    def _holds(self, began_s: float, now_s: float) -> bool:
        return self._kept_ms is None or (now_s - began_s) * 1000 < self._kept_ms

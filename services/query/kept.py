"""What requests of the same people need again within a moment, kept in this process: a usage page asks seven questions at once, and each of them must know how
far the numbers reach.

Rule: what is kept depends on its key and on the facts only, never on who asked; and whoever fills it reads after the key was known. Requests that miss at the
same time wait for one reading. What is asked for when half of its time is over is read again beside the request, so that nobody who asks often waits for it;
it never becomes older by that.
Limit: a reading beside that fails is told in the log alone; the next request after the time is over reads itself.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

import structlog

Value = TypeVar("Value")

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Reading(Generic[Value]):
    """`began_s`: what is read is at most as old as that."""

    began_s: float
    value: Future[Value] = field(default_factory=Future)


class Kept(Generic[Value]):
    """At most `entries_max` values, those used last, each for at most `kept_ms` after it was asked for; none: as long as there is room. For all threads.

    `beside`: where values are read again before their time is over.
    """

    def __init__(
        self, entries_max: int, kept_ms: int | None = None, clock_s: Callable[[], float] = time.monotonic, beside: Executor | None = None
    ) -> None:  # fmt: skip
        self._entries_max, self._kept_ms, self._clock_s, self._beside = entries_max, kept_ms, clock_s, beside
        self._entries: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._under_way: dict[Hashable, _Reading[Value]] = {}
        self._asked_beside: set[Hashable] = set()
        """Of readings beside that are not over; only once one has begun, requests wait for it."""
        self._lock = Lock()

    def get(self, key: Hashable, read: Callable[[], Value], again: Callable[[], Value] | None = None) -> Value:
        """The value of the key; `read` is asked for it when it is not known. What `read` raises is raised, and nothing is kept.

        `again`: as `read`, for a reading that may outlive the request; none: it is never read beside.
        """
        now_s = self._clock_s()
        with self._lock:
            if (entry := self._entries.get(key)) and self._holds(entry[0], now_s):
                self._entries.move_to_end(key)
                if again and self._beside and self._ages(entry[0], now_s) and key not in self._asked_beside:
                    self._asked_beside.add(key)
                    self._beside.submit(self._read_beside, key, again)
                return entry[1]
        return self._read(key, read)

    def _read(self, key: Hashable, read: Callable[[], Value]) -> Value:
        """Or wait for who is reading it already."""
        now_s = self._clock_s()
        with self._lock:
            others = self._under_way.get(key)
            if others is None or not self._holds(others.began_s, now_s):
                others, mine = None, _Reading[Value](now_s)
                self._under_way[key] = mine
        return others.value.result() if others else self._finish(key, mine, read)

    def _finish(self, key: Hashable, reading: _Reading[Value], read: Callable[[], Value]) -> Value:
        try:
            value = read()
        except BaseException as error:
            self._end(key, reading)
            reading.value.set_exception(error)
            raise
        with self._lock:
            known = self._entries.get(key)
            # One that lasted long may end after a later one.
            if known is None or known[0] <= reading.began_s:
                self._entries[key] = reading.began_s, value
                self._entries.move_to_end(key)
            if len(self._entries) > self._entries_max:
                self._entries.popitem(last=False)
        self._end(key, reading)
        reading.value.set_result(value)
        return value

    def _end(self, key: Hashable, reading: _Reading[Value]) -> None:
        with self._lock:
            if self._under_way.get(key) is reading:
                del self._under_way[key]

    def _read_beside(self, key: Hashable, read: Callable[[], Value]) -> None:
        try:
            self._read(key, read)
        except Exception as error:  # nobody waits for it: who needs the value later reads it, and is told then
            _log.warning("could not read ahead", error=type(error).__name__, detail=str(error)[:500])
        finally:
            with self._lock:
                self._asked_beside.discard(key)

    def _holds(self, began_s: float, now_s: float) -> bool:
        return self._kept_ms is None or (now_s - began_s) * 1000 < self._kept_ms

    def _ages(self, began_s: float, now_s: float) -> bool:
        return self._kept_ms is not None and (now_s - began_s) * 2000 >= self._kept_ms

"""An asyncio event loop without selectors, threads or a clock of its own: the simulation runs it one callback at a time.

Rule: callbacks run in the order in which they became due, as asyncio promises; what happens between two of them is the scheduler's choice.
Limit: tasks, futures, timers, locks and timeouts; no sockets, no signals, no executors.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, TypeVar

T = TypeVar("T")


class SimLoop(asyncio.AbstractEventLoop):
    """`now_s`: the simulated clock."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._begun: list[Coroutine[Any, Any, Any]] = []

    def abandon(self) -> None:
        """The process is dead: nothing runs any more. What was never begun is closed, or Python would warn of it."""
        self._ready.clear()
        self._timers.clear()
        for work in self._begun:
            if getcoroutinestate(work) == CORO_CREATED:
                work.close()
        self._begun.clear()

    def knows(self, work: Coroutine[Any, Any, Any]) -> None:
        """Work that a task of this loop will await."""
        self._begun.append(work)

    def run_one(self) -> bool:
        """Run the next callback that is due; False: none is."""
        now_s = self._now_s()
        while self._timers and self._timers[0][0] <= now_s:
            self._ready.append(heappop(self._timers)[2])
        while self._ready:
            handle = self._ready.popleft()
            if not handle.cancelled():
                self._run(handle)
                return True
        return False

    def _run(self, handle: asyncio.Handle) -> None:
        # Another process's loop may be in the middle of a callback: it sleeps, and this one has its turn.
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            handle._run()
        finally:
            events._set_running_loop(outer)

    def time(self) -> float:
        return self._now_s()

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.TimerHandle:  # type: ignore[override]
        return self.call_at(self._now_s() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.TimerHandle:  # type: ignore[override]
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heappush(self._timers, (when, self._count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is skipped when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None) -> asyncio.Task[T]:  # type: ignore[override]
        self._begun.append(coro)
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody waited for: the tasks of a process that is dead. A living one's failures go the way of its guard."""

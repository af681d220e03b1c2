"""Sessions of requests: one of its own for each, opened and closed; what cannot have changed is kept for the next request that is alike.

Rule: a request leaves nothing behind. So a session is kept only when the engine refuses any change in it (`readonly = 1`), when it answered nothing but a
SELECT, to its end, and for requests with the same database and settings to the letter; everything else is closed.
Limit: `IDLE_MAX` are kept, those that were used last. To open one costs 3 ms of processor time, which is half of a small question.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from services.local.clickhouse.engine import Engine, Session

Result = TypeVar("Result")
Key = tuple[str, int, tuple[tuple[str, str], ...]]

IDLE_MAX: Final = 16


class Thread:
    """One thread for the engine's calls of one request."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)

    async def run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def end(self) -> None:
        self._pool.shutdown(wait=False)


@dataclass(slots=True)
class Lease:
    """`is_untouched` is for the user to set, when it has answered a SELECT to its end."""

    thread: Thread
    session: Session
    is_untouched: bool = False


class Sessions:
    """Of one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: OrderedDict[Key, list[Lease]] = OrderedDict()

    @asynccontextmanager
    async def lease(self, database: str, settings: dict[str, str], readonly: int) -> AsyncIterator[Lease]:
        key = (database, readonly, tuple(sorted(settings.items())))
        lease = self._taken(key) or await self._opened(database, settings, readonly)
        try:
            yield lease
        finally:
            if lease.is_untouched and (readonly == 1 or settings.get("readonly") == "1"):
                lease.is_untouched = False
                await self._keep(key, lease)
            else:
                await _close(lease)

    async def close(self) -> None:
        while self._idle:
            await self._drop_oldest()

    def _taken(self, key: Key) -> Lease | None:
        leases = self._idle.get(key)
        if not leases:
            return None
        lease = leases.pop()
        if not leases:
            del self._idle[key]
        return lease

    async def _opened(self, database: str, settings: dict[str, str], readonly: int) -> Lease:
        thread = Thread()
        try:
            return Lease(thread, await thread.run(lambda: self._engine.session(database, settings, readonly)))
        except BaseException:
            thread.end()
            raise

    async def _keep(self, key: Key, lease: Lease) -> None:
        self._idle.setdefault(key, []).append(lease)
        self._idle.move_to_end(key)
        if sum(map(len, self._idle.values())) > IDLE_MAX:
            await self._drop_oldest()

    async def _drop_oldest(self) -> None:
        key = next(iter(self._idle))
        lease = self._taken(key)
        assert lease is not None
        await _close(lease)


async def _close(lease: Lease) -> None:
    try:
        await lease.thread.run(lease.session.close)
    finally:
        lease.thread.end()

"""Keep the parts of a stack running: start in order, wait until ready, start again what dies, stop in the reverse order.

Rule: a start either brings up everything or stops what it began and says which part failed, with the end of its log.
A part that ends with exit code 2 (its settings cannot be used) is not started again; any other comes back after a pause that doubles up to ten seconds.
Limit: a part that hangs without ending is not noticed here; `status` shows that it is not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from services.local.part import Part, PartError, Say, explain, launch, not_ready
from services.local.processes import started_at

EXIT_SETTINGS: Final = 2
POLL_S: Final = 0.05
TRY_AGAIN_S: Final = 0.5
PAUSE_FIRST_S: Final = 0.1
"""One death is an accident: the part is wanted back at once."""
PAUSE_MAX_S: Final = 10.0
STEADY_S: Final = 10.0
"""A part that was ready for so long has recovered: its next pause is the first one again."""
LOG_BYTES_MAX: Final = 32 * 1024 * 1024

State = Literal["waiting", "preparing", "starting", "ready", "pausing", "failed", "stopping", "stopped"]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be done once between two stages, in a thread; it raises what it likes."""

    name: str
    run: Callable[[Say], None]


Stage = list[Part] | Step


@dataclass(slots=True)
class Child:
    """A part and how it fares."""

    part: Part
    log: Path
    state: State = "waiting"
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    """When its process began, as the system tells it (seconds since 1970): with the pid it names the process for ever."""
    restarts: int = 0
    exit_code: int | None = None
    """Of its last end; None: it runs, or was ended by us."""
    last_end: str = ""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def note_end(self) -> None:
        """After it ended by itself, or by somebody else's signal."""
        assert self.process is not None
        self.exit_code = self.process.returncode
        self.last_end = f"was ended by {signal.Signals(-self.exit_code).name}" if self.exit_code < 0 else f"ended with exit code {self.exit_code}"


class Supervisor:
    def __init__(self, stages: Iterable[Stage], logs: Path, say: Say, changed: Callable[[list[Child]], None] = lambda _children: None) -> None:
        self._stages: list[list[Child] | Step] = [
            stage if isinstance(stage, Step) else [Child(part, logs / f"{part.name}.log") for part in stage] for stage in stages
        ]
        self._say = say
        self._changed = changed
        self._stopping = False
        self._watchers: list[asyncio.Task[None]] = []
        self.hurry = asyncio.Event()
        """Set: kill what has not stopped yet."""

    @property
    def children(self) -> list[Child]:
        return [child for stage in self._stages if not isinstance(stage, Step) for child in stage]

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Start everything, call `ready`, wait for `stop`, stop everything.

        Raises `PartError` (or what a step raises) when it does not start; everything is stopped then too.
        """
        try:
            if await _unless(stop, self._start_all()):
                ready()
                await stop.wait()
        finally:
            await self._stop_all()

    async def _start_all(self) -> None:
        for stage in self._stages:
            if isinstance(stage, Step):
                self._say(f"{stage.name} ...")
                await asyncio.to_thread(stage.run, self._say)
            else:
                await _all_or_none(self._bring_up(child) for child in stage)

    async def _bring_up(self, child: Child) -> None:
        """The first start. A part may be given several tries (a service whose dependencies are still settling)."""
        began = time.monotonic()
        for tries_left in reversed(range(child.part.tries_at_start)):
            await self._launch(child)
            if await self._until_ready(child):
                self._say(f"{child.part.name} is ready on {child.part.endpoint or '-'} after {time.monotonic() - began:.1f} s")
                self._watchers.append(asyncio.create_task(self._keep_up(child), name=child.part.name))
                return
            if tries_left == 0 or child.exit_code in (EXIT_SETTINGS, None):
                break
            await asyncio.sleep(TRY_AGAIN_S)
        self._mark(child, "failed")
        raise PartError(explain(child.part, child.log, child.last_end))

    async def _keep_up(self, child: Child) -> None:
        """From the first readiness to the stop: start it again whenever it ends."""
        deaths = 0
        ready_since: float | None = time.monotonic()
        while True:
            if ready_since is not None:
                while child.running:
                    await asyncio.sleep(POLL_S)
                if self._stopping:
                    return
                child.note_end()
            if child.exit_code == EXIT_SETTINGS:
                self._mark(child, "failed")
                self._say(explain(child.part, child.log, "ended with exit code 2 (its settings cannot be used) and is not started again"))
                return
            deaths = 1 if ready_since is not None and time.monotonic() - ready_since > STEADY_S else deaths + 1
            await self._pause(child, deaths)
            ready_since = await self._start_again(child)

    async def _pause(self, child: Child, deaths: int) -> None:
        pause_s = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2.0 ** min(deaths - 1, 10))
        self._mark(child, "pausing")
        self._say(f"{child.part.name} {child.last_end}; it is started again in {pause_s:.1f} s (see {child.log})")
        await asyncio.sleep(pause_s)

    async def _start_again(self, child: Child) -> float | None:
        """When it became ready; None: it ended (or never became ready and was killed)."""
        child.restarts += 1
        try:
            await self._launch(child)
        except PartError as error:
            child.last_end = f"could not be started: {error}"
            return None
        if not await self._until_ready(child):
            return None
        self._say(f"{child.part.name} is ready again")
        return time.monotonic()

    async def _launch(self, child: Child) -> None:
        self._mark(child, "preparing")
        await asyncio.to_thread(child.part.prepare, self._say)
        _turn_over(child.log)
        child.process = launch(child.part, child.log)
        child.started = started_at(child.process.pid)
        child.exit_code = None
        self._mark(child, "starting")

    async def _until_ready(self, child: Child) -> bool:
        deadline = time.monotonic() + child.part.ready_s
        while not await asyncio.to_thread(child.part.ready):
            if not child.running:
                child.note_end()
                return False
            if time.monotonic() > deadline:
                child.last_end = await asyncio.to_thread(not_ready, child.part)
                await self._end(child)
                return False
            await asyncio.sleep(POLL_S)
        self._mark(child, "ready")
        return True

    async def _stop_all(self) -> None:
        self._stopping = True
        for watcher in self._watchers:
            watcher.cancel()
        for stage in reversed(self._stages):
            if not isinstance(stage, Step):
                await asyncio.gather(*(self._stop_one(child) for child in stage if child.process))

    async def _stop_one(self, child: Child) -> None:
        if child.running:
            self._mark(child, "stopping")
            await self._end(child)
            self._say(f"{child.part.name} has stopped")
        self._mark(child, "failed" if child.state == "failed" else "stopped")

    async def _end(self, child: Child) -> None:
        """Ask, wait, kill at last: the whole process group, so that no helper process stays behind."""
        assert child.process is not None
        child.process.send_signal(child.part.stop_signal)
        deadline = time.monotonic() + child.part.stop_s
        while child.running and time.monotonic() < deadline and not self.hurry.is_set():
            await asyncio.sleep(POLL_S)
        if child.running:
            self._say(f"{child.part.name} did not stop and is killed")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            await asyncio.to_thread(child.process.wait)

    def _mark(self, child: Child, state: State) -> None:
        child.state = state
        self._changed(self.children)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether `work` came to its end; it is cancelled when `stop` is set before."""
    task, waiting = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
        return True
    await _cancel([task])
    return False


async def _all_or_none(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await all; when one fails, cancel the others and raise its error."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _cancel(tasks)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _turn_over(log: Path) -> None:
    """Keep one older file, so that a stack that runs for months does not fill the disk with its logs' past."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))

"""How a processor ends: at once, with a reason on fd 2 and a code of its own.

Nothing that is not durable may be acknowledged, so a worker that has met something unexpected does not tidy up: it leaves, and its
successor replays. The reason goes to fd 2 itself because logging may be queued or redirected when the process ends.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn


class Exit(IntEnum):
    """Exit codes. Only RESTART and PAUSED are mended by starting again."""

    DONE = 0
    STATE = 65
    """The state cannot be used (checksum, a page or the position missing): rebuild it from the log."""
    RESTART = 70
    """Something unexpected, or a hole in the messages: start again, the work since the last epoch is replayed."""
    PAUSED = 75
    """The process stood still so long that another worker may own its partitions: start again."""
    SETUP = 78
    """Settings, topics or installed packages are wrong: mend them first."""


class Fatal(Exception):
    """This worker must not go on. `code` says what helps, `str()` says why and what to do."""

    def __init__(self, code: Exit, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def leave(error: BaseException) -> NoReturn:
    """End the process now, without acknowledging anything."""
    code = error.code if isinstance(error, Fatal) else Exit.RESTART
    reason = str(error) if isinstance(error, Fatal) else "".join(traceback.format_exception(error)).rstrip()
    os.write(2, f"quarterhour processor: {reason}\nquarterhour processor: exit {code.value} ({code.name})\n".encode())
    os._exit(code)


@contextmanager
def fatal() -> Iterator[None]:
    """Any exception inside ends the process. For places whose caller would log it and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the point: nothing unexpected may be survived
        leave(error)


def guard(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run `work` as a task whose failure ends the process; cancelling it is no failure."""

    async def guarded() -> None:
        with fatal():
            await work

    return asyncio.create_task(guarded())

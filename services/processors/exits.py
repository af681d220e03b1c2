"""How a processor ends: at once, with a reason on fd 2 and a code of its own.

Nothing that is not durable may be acknowledged, so a worker that has met something unexpected does not tidy up: it leaves, and its
successor replays. The reason goes to fd 2 itself because logging may be queued or redirected when the process ends.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final, NoReturn

from services.meters.watermark import LogReplaced
from services.runtime.errors import ServiceError
from services.runtime.lifecycle import EXIT_UNEXPECTED, end_now

SERVICE: Final = "processor"


class Exit(IntEnum):
    """Exit codes beside those of `runtime.lifecycle`. RESTART, READING, STALLED and PAUSED are mended by starting again."""

    STATE = 65
    """The state cannot be used (checksum, a page or the position missing, a topic made anew): rebuild it from the log."""
    MESSAGE = 72
    """A batches message, or state of a newer release, cannot be read: start the release that wrote it; a damaged message needs a rebuild."""
    RESTART = EXIT_UNEXPECTED
    """Something unexpected, or a hole in the messages: start again, the work since the last epoch is replayed."""
    READING = 71
    """Faust or aiokafka has crashed, which they say in the log alone: start again."""
    STALLED = 74
    """There is work and nothing moves: start again."""
    PAUSED = 75
    """The process stood still so long that another worker may own its partitions: start again."""
    SETUP = 78
    """The installed packages or the security settings are wrong: mend them first."""


class Fatal(ServiceError):
    """This worker must not go on. `exit_code` says what helps, `str()` says why and what to do."""

    def __init__(self, code: Exit, reason: str) -> None:
        super().__init__(reason)
        self.exit_code = code.value


def leave(error: BaseException) -> NoReturn:
    """End the process now, without acknowledging anything."""
    if isinstance(error, ServiceError):
        end_now(SERVICE, str(error), error.exit_code)
    if isinstance(error, LogReplaced):
        end_now(SERVICE, str(error), Exit.STATE)
    end_now(SERVICE, "".join(traceback.format_exception(error)).rstrip())


@contextmanager
def fatal() -> Iterator[None]:
    """Any exception inside ends the process. For places whose caller would log it and go on."""
    try:
        yield
    except Exception as error:
        leave(error)


def guard(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run `work` as a task whose failure ends the process; cancelling it is no failure."""

    async def guarded() -> None:
        with fatal():
            await work

    return asyncio.create_task(guarded())

"""Work in a process beside this one: what an iterator gives there is given here, a piece ahead.

Rule: what it raises there is raised here, and one that ends without a word is an error, never an end.
Limit: it is forked, so that nothing is imported again: only for commands that have begun no threads.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from fcntl import fcntl
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")

_F_SETPIPE_SZ: Final = 1031
_PIPE_BYTES: Final = 1 << 20
"""A piece fits into the pipe, and the other process begins the next one meanwhile."""


class _Given(NamedTuple):
    item: Any
    error: Exception | None = None


class BesideEnded(RuntimeError):
    """The process beside this one ended in the middle of its work."""


def beside(items: Iterator[T]) -> Iterator[T]:
    """The same items, made by a process of its own."""
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    with suppress(OSError):  # the user's share of pipes may be used up: slower, not wrong
        fcntl(theirs.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
    process = context.Process(target=_give, args=(items, theirs), daemon=True)
    # A Ctrl-C waits until the other process ignores it and this one would end that one.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    process.start()
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        theirs.close()
        while (found := _next(ours)) is not None:
            if found.error is not None:
                raise found.error
            yield found.item
    finally:
        process.kill()  # it may wait for its input
        process.join()
        ours.close()


def _next(ours: Connection) -> _Given | None:
    try:
        found: _Given | None = ours.recv()
    except EOFError:
        raise BesideEnded("The process that reads the events ended in the middle of them. Was it killed, or is there too little memory?") from None
    return found


def _give(items: Iterator[object], theirs: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent ends this one
    with suppress(BrokenPipeError):  # nobody takes any more
        try:
            for item in items:
                theirs.send(_Given(item))
            theirs.send(None)
        except Exception as error:
            theirs.send(_Given(None, error))

"""How a long command shows that it gets on: a bar for people at a terminal, a plain line every few seconds for logs. On standard error, always."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_EVERY_S: Final = 5.0


class Display:
    """One line of progress, as a context manager. `total` of none: the end is not known."""

    def __init__(self, title: str, total: int | None = None) -> None:
        self._title = title
        self._total = total
        self._bar: Progress | None = None
        self._said_at = time.monotonic()
        self._said = ""

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task(self._title, total=self._total, note="")
            self._bar.start()
        return self

    def show(self, done: int, note: str) -> None:
        """`done` of the total, and a few words more. Cheap enough to be called ten times a second."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, note=note)
        elif time.monotonic() - self._said_at >= PLAIN_EVERY_S:
            self._said_at = time.monotonic()
            share = f"{100 * done // self._total} %, " if self._total else ""
            self._say(f"{self._title}: {share}{note}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _say(self, line: str) -> None:
        if line != self._said:
            print(line, file=sys.stderr, flush=True)
        self._said = line


class Pace:
    """Events and events a second since the first, as a note for a `Display`."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def note(self, events: int) -> str:
        return f"{events:,} events, {events / max(time.monotonic() - self._began_at, 1e-3):,.0f} a second"


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)

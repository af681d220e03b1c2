"""`quarterhour emit`: write events, one JSON object a line, to the raw topics.

Rule: nothing is judged and nothing is lost here. A line goes to the topic of its type's prefix, or, when no type can be read, to platform.conversations,
where ingest refuses it with its origin.
Limit: one line is held at a time, beside what waits for the broker.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from services.cli.errors import explained
from services.cli.progress import Display, Pace

if TYPE_CHECKING:
    from services.cli.emitter import Emitter, Outcome

LOOK_EVERY: Final = 2_000
"""Lines between two looks at delivery reports and the progress bar, at full speed."""
INTERRUPTED: Final = "interrupted"


def register(app: typer.Typer) -> None:
    """Add `emit`."""
    app.command("emit")(emit)


def emit(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Events, one JSON object a line; - reads standard input.")],
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most so many events a second. Default: as fast as it goes.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the local stack to write to.")] = None,
) -> None:
    """Write events from a file to Kafka's raw topics, with the log times that history has.

    Lines are not judged here: what is no event is refused by ingest, with its origin. Emitting a file twice changes nothing.

    Example: quarterhour emit events.jsonl --rate 5000
    """
    from services.cli.heads import records

    with _opened(file) as opened:
        lines = records(opened)
        outcome = emit_lines(lines if rate is None else paced(lines, rate), emitter(data_dir), Display("emit", _size_bytes(file)), look_every(rate))
    finish_with(outcome)


def emitter(data_dir: Path | None) -> Emitter:
    """An emitter to the running stack; without one the command ends here."""
    from services.cli.emitter import Emitter
    from services.local.find import stack_settings
    from services.runtime.clock import wall_ms

    with explained():
        return Emitter(stack_settings(data_dir).kafka, wall_ms)


def emit_lines(lines: Iterable[bytes], to: Emitter, display: Display, every: int) -> Outcome:
    """Write all lines, with a look at delivery reports `every` so many; stops when Kafka fails or at Ctrl-C, and waits for what is under way."""
    pace, done_bytes = Pace(), 0
    with display:
        try:
            for number, line in enumerate(lines, 1):
                done_bytes += len(line) + 1
                to.send(line, number)
                if number % every == 0:
                    to.look()
                    display.show(done_bytes, pace.note(number))
                    if to.outcome.stopped:
                        break
        except KeyboardInterrupt:
            to.outcome.stopped = INTERRUPTED
        return to.finish()


def look_every(rate: float | None) -> int:
    """About ten looks a second."""
    return LOOK_EVERY if rate is None else max(1, min(LOOK_EVERY, int(rate / 10)))


def paced(lines: Iterable[bytes], rate: float) -> Iterator[bytes]:
    """The same lines, the n-th not before n / rate seconds."""
    began_at = time.monotonic()
    for number, line in enumerate(lines):
        wait_s = began_at + number / rate - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        yield line


def finish_with(outcome: Outcome) -> None:
    """Say what became of the lines. Raises `typer.Exit` with 1 when any was not delivered or not read."""
    typer.echo(f"{outcome.sent - outcome.failed:,} of {outcome.sent:,} events written to Kafka.", err=True)
    for problem in outcome.problems:
        typer.echo(f"  not written: {problem}", err=True)
    if outcome.failed > len(outcome.problems):
        typer.echo(f"  and {outcome.failed - len(outcome.problems):,} more", err=True)
    if outcome.stopped:
        typer.echo(f"Stopped: {outcome.stopped}. Emit the same events again: those that are there already change nothing.", err=True)
    if outcome.failed or outcome.stopped:
        raise typer.Exit(1)


def _opened(file: str) -> AbstractContextManager[IO[bytes]]:
    if file == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from None


def _size_bytes(file: str) -> int | None:
    path = Path(file)
    return path.stat().st_size if path.is_file() else None

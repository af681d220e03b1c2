"""`quarterhour dump`: the raw log as it is, as JSON lines that `quarterhour meter` reads. Streams; nothing is changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from services.cli.errors import explained
from services.cli.progress import Display, Pace

if TYPE_CHECKING:
    from services.cli.offsets import Where
    from services.cli.proof.record import Record
    from services.runtime.settings import Settings

SHOW_EVERY = 2_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dump")(dump)


def dump(
    *,
    topic: Annotated[list[str] | None, typer.Option(help="Only this raw topic; may be repeated. Default: all four.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition of each topic.")] = None,
    from_offset: Annotated[int, typer.Option(min=0, help="From this offset of each partition on.")] = 0,
    to_offset: Annotated[int | None, typer.Option(min=0, help="Up to this offset of each partition, itself left out.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Only records whose log time is not before this day or instant.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Only records whose log time is before this day or instant.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Only records of this workspace, refused ones too where it can be read.")] = None,
    out: Annotated[str, typer.Option(help="File to write; - is standard output.")] = "-",
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the local stack to ask.")] = None,
) -> None:
    """Export the raw log: one JSON object a line with topic, partition, offset, log time and the record, by log time.

    Example: quarterhour dump --workspace acme --out acme.jsonl && quarterhour meter acme.jsonl
    """
    from services.cli.instants import instant_ms
    from services.cli.proof.dump_lines import dump_line
    from services.cli.proof.reading import merged
    from services.local.find import stack_settings

    from_ms = None if since is None else instant_ms(since, "--from")
    to_ms = None if until is None else instant_ms(until, "--to")
    selection = Selection(topic, partition, from_offset, to_offset, from_ms, to_ms, workspace)
    with explained(), _opened(out) as file, Display("dump") as display:
        settings = stack_settings(data_dir)
        wanted = selection.filter(settings.rules.lateness_ms)
        pace, written = Pace(), 0
        for written, record in enumerate(filter(wanted, merged(settings.kafka, selection.offsets(settings))), start=1):
            file.write(dump_line(record) + b"\n")
            if written % SHOW_EVERY == 0:
                display.show(written, pace.note(written))
    typer.echo(f"{written:,} records", err=True)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for. Times are log times, the end left out."""

    topics: list[str] | None
    partition: int | None
    from_offset: int
    to_offset: int | None
    from_ms: int | None
    to_ms: int | None
    workspace: str | None

    def offsets(self, settings: Settings) -> dict[Where, range]:
        """The offsets that must be looked at. Raises `typer.BadParameter` for what there is not."""
        from services.cli.offsets import Offsets
        from services.events.topics import RAW_TOPICS

        unknown = sorted(set(self.topics or ()) - set(RAW_TOPICS))
        if unknown:
            raise typer.BadParameter(f"{', '.join(unknown)}: no raw topic. There are {', '.join(RAW_TOPICS)}.", param_hint="--topic")
        asked = Offsets(settings.kafka)
        held = {where: offsets for where, offsets in asked.held(self.topics or RAW_TOPICS).items() if self.partition in (None, where[1])}
        if not held:
            raise typer.BadParameter("no topic has this partition", param_hint="--partition")
        begins = {} if self.from_ms is None else asked.first_at(held, self.from_ms)
        return {where: self._within(offsets, begins.get(where, 0)) for where, offsets in held.items()}

    def filter(self, lateness_ms: int) -> Callable[[Record], bool]:
        """Whether a record is wanted. Log times may go back within a partition, so each is looked at."""
        from services.events.decode import decode

        def wanted(record: Record) -> bool:
            if (self.from_ms is not None and record.log_ms < self.from_ms) or (self.to_ms is not None and record.log_ms >= self.to_ms):
                return False
            return self.workspace is None or decode(record.value, record.log_ms, lateness_ms).workspace_id == self.workspace

        return wanted

    def _within(self, held: range, begin: int) -> range:
        return range(max(held.start, self.from_offset, begin), held.stop if self.to_offset is None else min(held.stop, self.to_offset))


@contextmanager
def _opened(out: str) -> Iterator[BinaryIO]:
    if out == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = Path(out).open("wb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise typer.BadParameter(f"{out}: {error.strerror}", param_hint="--out") from None
    with file:
        yield file

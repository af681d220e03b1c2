"""`quarterhour meter`: the core over a file of events, without a broker. What the pipeline would publish, on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

if TYPE_CHECKING:
    from services.events.outgoing import OutFact

CHUNK_LINES = 5_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("meter")(meter)


def meter(
    file: Annotated[str, typer.Argument(help="JSON lines of CloudEvents; - reads standard input.")],
    watermark: Annotated[str | None, typer.Option(help="RFC 3339 instant at which the watermark stops; without it everything open is closed.")] = None,
    history: Annotated[bool, typer.Option(help="Print every revision and void as it is published, not only the final facts.")] = False,
    lateness_hours: Annotated[float, typer.Option(min=0, help="T4: events older than this against their log time are refused.")] = 24.0,
) -> None:
    """Meter a file of events: facts as JSON lines on standard output, refused events among them.

    Example: quarterhour meter events.jsonl | jq -c 'select(.topic == "usage.billing-sessions.v1")'
    """
    from services.events.times import parse_ms

    try:
        cap_ms = None if watermark is None else parse_ms(watermark)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--watermark") from None
    try:
        source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed with the process
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    facts = metered(source, name=file, cap_ms=cap_ms, lateness_ms=round(lateness_hours * 3_600_000))
    write_lines(facts if history else final(facts), sys.stdout.buffer)


def metered(lines: Iterable[bytes], *, name: str, cap_ms: int | None, lateness_ms: int) -> Iterator[OutFact]:
    """Every fact in the order of publication. Lines are one raw partition, read in chunks; the chunk's number makes the revision."""
    from services.cli.heads import read_head
    from services.events.batches import Range
    from services.ingest.batcher import Batcher, Layout, RawRecord, Totals
    from services.meters.fold import PartitionFold
    from services.meters.rules import FOREVER_MS, Rules
    from services.runtime.clock import wall_ms
    from services.runtime.logtime import LogTime

    rules = Rules(lateness_ms=lateness_ms)
    batcher = Batcher(Layout((1,), 1, 1), lateness_ms, generation=1, names=(name,))
    batcher.begin((0, 0), 0, begins=True, totals=Totals())
    fold = PartitionFold(rules, 0, 1, 1, generation=1, cap_ms=FOREVER_MS if cap_ms is None else cap_ms)
    log = LogTime(wall_ms)
    offset = chunk = log_ms = 0
    for some in _chunks(_records(lines)):
        for line in some:
            log_ms = log.of(read_head(line)[2])
            batcher.add(RawRecord(0, 0, offset, log_ms, line))
            offset += 1
        batches, rejected = batcher.take(log_ms, 0)
        yield from rejected
        yield from _but_ledger(fold.apply_batch(batches[0], chunk))
        chunk += 1
    batches, _ = batcher.take(log_ms, 0)
    batches[0].ranges = [Range(0, 0, offset, offset, offset == 0, None, None, FOREVER_MS if cap_ms is None else cap_ms, idle=False)]
    yield from _but_ledger(fold.apply_batch(batches[0], chunk))


def final(facts: Iterable[OutFact]) -> Iterator[OutFact]:
    """The last revision of every fact that is not void, in the order of those revisions."""
    last: dict[tuple[str, bytes], OutFact] = {}
    for fact in facts:
        last.pop((fact.topic, fact.key), None)
        if b'"status":"void"' not in fact.value:
            last[fact.topic, fact.key] = fact
    yield from last.values()


def write_lines(facts: Iterable[OutFact], out: BinaryIO) -> None:
    """One object a line, `topic` first."""
    for fact in facts:
        out.write(b'{"topic":"' + fact.topic.encode() + b'",' + fact.value[1:] + b"\n")
    out.flush()


def _but_ledger(facts: Iterable[OutFact]) -> Iterator[OutFact]:
    """A file has no ledger: there is nothing to reconcile it with."""
    from services.events.topics import LEDGER

    return (fact for fact in facts if fact.topic != LEDGER)


def _records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines without their ends; blank lines at the end of the file are no records."""
    blank: list[bytes] = []
    for line in lines:
        line = line.removesuffix(b"\n")
        if line.strip():
            yield from blank
            blank.clear()
            yield line
        else:
            blank.append(line)


def _chunks(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    from itertools import islice

    while some := list(islice(lines, CHUNK_LINES)):
        yield some

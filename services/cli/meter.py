"""`quarterhour meter`: the core over a file of events, without a broker. What the pipeline would publish, on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

if TYPE_CHECKING:
    from services.events.outgoing import OutFact
    from services.ingest.batcher import RawPartition, RawRecord

    Run = tuple[RawPartition, Sequence[tuple[int, int, bytes | None]]]
    """(offset, log time, value) of records of one raw partition."""

    Step = tuple[list[OutFact], bytes]
    """Refused records, and a message for the fold."""

CHUNK_RECORDS = 5_000
LINES_A_WRITE = 500


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("meter")(meter)


def meter(
    file: Annotated[str, typer.Argument(help="JSON lines of CloudEvents, or a dump of the raw log; - reads standard input.")],
    watermark: Annotated[str | None, typer.Option(help="RFC 3339 instant at which the watermark stops; without it everything open is closed.")] = None,
    history: Annotated[bool, typer.Option(help="Print every revision and void as it is published, not only the final facts.")] = False,
    lateness_hours: Annotated[float, typer.Option(min=0, help="T4: events older than this against their log time are refused.")] = 24.0,
) -> None:
    """Meter a file of events, or a dump: facts as JSON lines on standard output, refused events among them.

    The records of a dump keep their log time and their origin.
    Example: quarterhour meter events.jsonl | jq -c 'select(.topic == "usage.billing-sessions.v1")'
    """
    from services.cli.beside import beside
    from services.cli.proof.dump_lines import NoDumpLine
    from services.events.times import parse_ms
    from services.runtime.garbage import collect_rarely

    try:
        cap_ms = None if watermark is None else parse_ms(watermark)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--watermark") from None
    try:
        source = cast(BinaryIO, cast(TextIOWrapper, sys.stdin).detach()) if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed with the process
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    collect_rarely()
    lateness_ms = round(lateness_hours * 3_600_000)
    steps = _steps(source, name=file, cap_ms=cap_ms, lateness_ms=lateness_ms)
    facts = _folded(beside(steps) if len(os.sched_getaffinity(0)) > 1 else steps, cap_ms, lateness_ms)
    try:
        write_lines(facts if history else final(facts), sys.stdout.buffer)
    except NoDumpLine as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="FILE") from None


def metered(lines: Iterable[bytes], *, name: str, cap_ms: int | None, lateness_ms: int) -> Iterator[OutFact]:
    """Every fact in the order of publication. Lines are events (one raw partition, read in chunks) or a dump; the chunk's number makes the revision.

    Raises `NoDumpLine` for a dump that cannot be read on.
    """
    return _folded(_steps(lines, name=name, cap_ms=cap_ms, lateness_ms=lateness_ms), cap_ms, lateness_ms)


def _steps(lines: Iterable[bytes], *, name: str, cap_ms: int | None, lateness_ms: int) -> Iterator[Step]:
    """The first half of the work: read, judge, group. The second one is `_folded`."""
    from services.cli.heads import records
    from services.cli.proof.dump_lines import is_dump_line
    from services.events.topics import RAW_TOPICS

    found = records(lines)
    first = next(found, None)
    if first is None:
        return
    if is_dump_line(first):
        yield from _batched(_of_a_dump(_dumped(chain([first], found), lateness_ms)), RAW_TOPICS, cap_ms, lateness_ms)
    else:
        yield from _batched(_of_one_file(chain([first], found)), (name,), cap_ms, lateness_ms)


def _of_one_file(lines: Iterator[bytes]) -> Iterator[list[Run]]:
    """E7: a file's log time is the greatest event time so far."""
    from services.cli.heads import read_times
    from services.runtime.clock import wall_ms
    from services.runtime.logtime import LogTime

    log_time = LogTime(wall_ms).of
    offset = 0
    while some := list(islice(lines, CHUNK_RECORDS)):
        yield [((0, 0), [(number, log_time(time_ms), line) for number, (time_ms, line) in enumerate(zip(read_times(some), some, strict=True), offset)])]
        offset += len(some)


def _of_a_dump(records: Iterator[RawRecord]) -> Iterator[list[Run]]:
    """The records in the order of their lines."""
    while some := list(islice(records, CHUNK_RECORDS)):
        yield [(raw, [record[2:] for record in run]) for raw, run in groupby(some, itemgetter(0, 1))]


def _dumped(lines: Iterable[bytes], lateness_ms: int) -> Iterator[RawRecord]:
    """The records of a dump, each once: several dumps in a row may overlap."""
    from services.cli.proof.dump_lines import NoDumpLine, read_dump_line
    from services.events.topics import RAW_TOPICS
    from services.ingest.batcher import RawRecord

    numbers = {topic: number for number, topic in enumerate(RAW_TOPICS)}
    nexts: dict[tuple[int, int], int] = {}
    newest_ms = 0
    for number, line in enumerate(lines, start=1):
        try:
            record = read_dump_line(line)
        except NoDumpLine as error:
            raise NoDumpLine(f"Line {number} is no line of a dump, but the first one is: {error}") from None
        if record.topic not in numbers:
            raise NoDumpLine(f"Line {number}: {record.topic!r} is no raw topic.")
        raw = (numbers[record.topic], record.partition)
        if raw not in nexts and record.log_ms < newest_ms - lateness_ms:
            # T4 lets go of what is older than all partitions known so far.
            raise NoDumpLine(f"Line {number}: {record.topic}/{record.partition} begins too far behind the lines above. Dump all partitions at once.")
        newest_ms = max(newest_ms, record.log_ms)
        if record.offset >= nexts.get(raw, 0):
            nexts[raw] = record.offset + 1
            yield RawRecord(*raw, record.offset, record.log_ms, record.value)


def _batched(chunks: Iterator[list[Run]], names: Sequence[str], cap_ms: int | None, lateness_ms: int) -> Iterator[Step]:
    """A message of each chunk; the last one closes the log."""
    from services.events.batches import Range, encode_batch
    from services.ingest.batcher import Batcher, Layout, Totals
    from services.meters.rules import FOREVER_MS

    batcher = Batcher(Layout((1,), 1, 1), lateness_ms, generation=1, names=names)
    for runs in chunks:
        for raw, records in runs:
            if raw not in batcher.totals:
                batcher.begin(raw, records[0][0], begins=True, totals=Totals())
            batcher.add_run(raw, records)
        batches, rejected = batcher.take(runs[-1][1][-1][1], 0)
        batches[0].layout = [len(batcher.totals)]
        yield rejected, encode_batch(batches[0])
    batches, _ = batcher.take(0, 0)
    batches[0].layout = [len(batcher.totals)]
    end_ms = FOREVER_MS if cap_ms is None else cap_ms
    batches[0].ranges = [Range(*raw, stop, stop, stop == 0, None, None, end_ms, idle=False) for raw, stop in batcher.positions().items()]
    yield [], encode_batch(batches[0])


def _folded(steps: Iterator[Step], cap_ms: int | None, lateness_ms: int) -> Iterator[OutFact]:
    from services.meters.fold import PartitionFold
    from services.meters.rules import FOREVER_MS, Rules

    fold = PartitionFold(Rules(lateness_ms=lateness_ms), 0, 1, 1, generation=1, cap_ms=FOREVER_MS if cap_ms is None else cap_ms)
    for number, (rejected, message) in enumerate(steps):
        yield from rejected
        yield from _but_ledger(fold.apply(message, number))


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
    lines = (b'{"topic":"' + fact.topic.encode() + b'",' + fact.value[1:] + b"\n" for fact in facts)
    while some := b"".join(islice(lines, LINES_A_WRITE)):
        out.write(some)
    out.flush()


def _but_ledger(facts: Iterable[OutFact]) -> Iterator[OutFact]:
    """A file has no ledger: there is nothing to reconcile it with."""
    from services.events.topics import LEDGER

    return (fact for fact in facts if fact.topic != LEDGER)

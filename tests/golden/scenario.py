"""What the golden files of one format version hold, and how they are made: `python -m tests.golden` writes those of this release.

Files of `v{BATCHES_VERSION}-{STATE_VERSION}`: `events.jsonl` (raw lines with their log time), `batches.bin` (batches messages), `state.bin` (the records in the
middle of the log), `facts.jsonl` (what was published, a list for each message). They are kept for ever: every later release must read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from services.events.batches import BATCHES_VERSION, encode_batch
from services.events.outgoing import OutFact
from services.ingest.batcher import Batcher, Layout, Totals
from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from services.meters.state import STATE_VERSION

HERE: Final = Path(__file__).parent
THIS_RELEASE: Final = HERE / f"v{BATCHES_VERSION}-{STATE_VERSION}"
RULES: Final = Rules()
PAGES, PARTITIONS, GENERATION = 8, 2, 1
LINES_A_POLL: Final = 40
LEDGER_MS: Final = 6_000

Message = tuple[int, int, bytes]
"""(batches partition, offset, bytes)."""


class State(NamedTuple):
    """The records of one partition in the middle of the log, and the offset of the next message."""

    next_offset: int
    position: bytes
    pages: dict[int, bytes]


class Golden(NamedTuple):
    """The content of one folder."""

    events: list[tuple[int, str]]
    """(log time, line)."""
    batches: list[Message]
    state: list[State]
    facts: list[list[str]]
    """Of each message, `topic value`."""


def fold_of(partition: int) -> PartitionFold:
    """A fold with nothing in it."""
    return PartitionFold(RULES, partition, PAGES, PARTITIONS, GENERATION)


def told(facts: list[OutFact]) -> list[str]:
    """Facts as lines."""
    return [f"{fact.topic} {fact.value.decode()}" for fact in facts]


def batches_of(events: list[tuple[int, str]]) -> Iterator[Message]:
    """What ingest makes of the lines, from two raw partitions in turn."""
    batcher = Batcher(Layout((2, 0, 0, 0), PAGES, PARTITIONS), RULES.lateness_ms, GENERATION)
    for raw in range(2):
        batcher.begin((0, raw), 0, begins=True, totals=Totals())
    for offset, at in enumerate(range(0, len(events), LINES_A_POLL)):
        poll = events[at : at + LINES_A_POLL]
        for raw in range(2):
            mine = [(at // 2 + number, log_ms, line.encode()) for number, (log_ms, line) in enumerate(poll[raw::2])]
            batcher.add_run((0, raw), mine)
        batches, _ = batcher.take(poll[-1][0], poll[-1][0] + offset * LEDGER_MS)
        yield from ((partition, offset, encode_batch(batch)) for partition, batch in enumerate(batches))


def run(events: list[tuple[int, str]]) -> Golden:
    """All of it, by the code of this release."""
    batches = list(batches_of(events))
    folds = [fold_of(partition) for partition in range(PARTITIONS)]
    middle = len(batches) // PARTITIONS // 2
    state: list[State] = []
    pages: list[dict[int, bytes]] = [{} for _ in folds]
    facts: list[list[str]] = []
    for partition, offset, value in batches:
        fold = folds[partition]
        facts.append(told(fold.apply(value, offset)))
        if middle - 3 < offset <= middle:
            # Three times: of what was settled by the first the others change a part.
            pages[partition] |= dict(fold.take_dirty())
        if offset == middle:
            state.append(State(offset + 1, fold.position(), pages[partition]))
    return Golden(events, batches, state, facts)


def write(folder: Path, golden: Golden) -> None:
    """Into files."""
    folder.mkdir(exist_ok=True)
    (folder / "events.jsonl").write_text("".join(f"{log_ms} {line}\n" for log_ms, line in golden.events))
    (folder / "batches.bin").write_bytes(msgspec.msgpack.encode(golden.batches))
    (folder / "state.bin").write_bytes(msgspec.msgpack.encode(golden.state))
    (folder / "facts.jsonl").write_bytes(msgspec.json.encode(golden.facts).replace(b"],[", b"],\n["))


def read(folder: Path) -> Golden:
    """From files."""
    lines = (line.split(" ", 1) for line in (folder / "events.jsonl").read_text().splitlines())
    return Golden(
        [(int(log_ms), line) for log_ms, line in lines],
        msgspec.msgpack.decode((folder / "batches.bin").read_bytes(), type=list[Message]),
        msgspec.msgpack.decode((folder / "state.bin").read_bytes(), type=list[State]),
        msgspec.json.decode((folder / "facts.jsonl").read_bytes(), type=list[list[str]]),
    )

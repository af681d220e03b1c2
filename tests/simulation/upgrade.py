"""A rolling restart in the simulation: workers of this release, and of a next one whose state this one cannot read, in one group.

The next release reads both formats and writes its own; every worker that is started after the first few is of it. What must be: the two work side by
side on different partitions; an old one that is given state of the next release ends, and never publishes anything; in the end nothing is lost or wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from zlib import crc32

import msgspec
from zstandard import ZstdCompressor

from services.meters.state import STATE_VERSION, unpacked
from services.processors.exits import Exit, Fatal
from services.processors.fold import Fold
from tests.simulation.faults import FaultKind
from tests.simulation.planted import Around
from tests.simulation.process import Process
from tests.simulation.worker import WorkerProcess
from tests.simulation.world import Parts, make_fold

_OLD_MAX: Final = 6
"""Processes up to this number are of the old release: those of the beginning, and a few that come in their place."""
_NEXT: Final = STATE_VERSION + 1


class NextRelease(Around):
    """State in the next format, with all else as it is."""

    def restore(self, position: bytes | None, pages: Mapping[int, bytes]) -> None:
        super().restore(position and _as_format(position, STATE_VERSION), {page: _as_format(record, STATE_VERSION) for page, record in pages.items()})

    def take_dirty(self, bytes_max: int | None = None) -> list[tuple[int, bytes]]:
        return [(page, _as_format(record, _NEXT)) for page, record in super().take_dirty(bytes_max)]

    def position(self) -> bytes:
        return _as_format(super().position(), _NEXT)


def rolling() -> Parts:
    """Kills, rebalances and more or fewer workers bring the next release in."""
    focus: tuple[tuple[str, FaultKind], ...] = (
        ("worker", "kill"),
        ("worker", "rebalance"),
        ("worker", "one more"),
        ("worker", "one less"),
        ("worker", "zombie"),
    )
    return Parts(make_fold=_fold_of, focus=focus, excuses=_met_the_next_release)


def is_old(process: Process) -> bool:
    return process.number <= _OLD_MAX


def _fold_of(process: WorkerProcess, partition: int) -> Fold:
    fold = make_fold(process, partition)
    return fold if is_old(process) else NextRelease(fold)


def _met_the_next_release(process: Process, error: BaseException) -> bool:
    return is_old(process) and isinstance(error, Fatal) and error.exit_code == Exit.MESSAGE and "newer release" in str(error)


def format_of(record: bytes) -> object:
    """Which format the record says it has."""
    return msgspec.msgpack.decode(unpacked(record)[0], strict=False)[0]


def _as_format(record: bytes, number: int) -> bytes:
    """The same state, said to be of another format."""
    first, frame = unpacked(record)
    fields = msgspec.msgpack.decode(first, strict=False)
    fields[0] = number
    body = ZstdCompressor().compress(msgspec.msgpack.encode(fields)) + frame
    return record[:8] + crc32(body).to_bytes(4, "big") + body

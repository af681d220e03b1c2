"""Duplicates, and pairs (source, id) with two contents (SPEC §3), over any number of events in little memory.

Each event leaves 28 bytes in one of many files by the hash of its pair; in the end the files are looked at one by one. Two events are the same when
all that we read of them is the same (unknown fields are ignored). Hashes have 64 bits: of ten million events, two are mixed up in one of 100,000 runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple

import msgspec

from services.events.event import Accepted

_FILES: Final = 128
_ENTRY: Final = Struct("<qqHHQ")


class Origin(NamedTuple):
    """(index of the raw topic, partition, offset)."""

    topic: int
    partition: int
    offset: int


class _Name(msgspec.Struct, gc=False):
    source: str
    id: str


_name: Final = msgspec.json.Decoder(_Name).decode


class Repeated:
    """A context manager: its files go with it."""

    def __init__(self) -> None:
        self._files: list[IO[bytes]] = [TemporaryFile(prefix="quarterhour-") for _ in range(_FILES)]  # noqa: SIM115 - closed in __exit__
        self.duplicates = 0

    def __enter__(self) -> Repeated:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def add(self, event: Accepted, value: bytes, origin: Origin) -> None:
        """One accepted event, and the record that said it."""
        name = _name(value)
        pair = hash((name.source, name.id))
        self._files[pair % _FILES].write(_ENTRY.pack(pair, hash(event), *origin))

    def conflicts(self) -> Iterator[tuple[Origin, Origin]]:
        """Origins of the first event of a pair and of one with another content, each such content once. Counts `duplicates` on the way."""
        for file in self._files:
            file.seek(0)
            firsts: dict[int, tuple[int, Origin]] = {}
            others: set[tuple[int, int]] = set()
            for pair, content, *place in _ENTRY.iter_unpack(file.read()):
                origin = Origin(*place)
                first = firsts.setdefault(pair, (content, origin))
                if first[1] == origin:
                    continue
                if first[0] == content or (pair, content) in others:
                    self.duplicates += 1
                else:
                    others.add((pair, content))
                    yield first[1], origin

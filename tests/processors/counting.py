"""A small, real fold: it counts. A message lost, or applied twice, shows in its facts for good.

Message: msgpack list of keys; key n lies on page n % PAGES. Fact of key n: {"id", "revision" = batches offset, "count"}, published whenever n is counted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TypeVar
from zlib import crc32

import msgspec

from services.events import topics
from services.events.outgoing import OutFact

PAGES = 64

T = TypeVar("T")


class StateCorrupt(Exception):
    """A record cannot be used."""


class Page:
    __slots__ = ("counts", "version")

    def __init__(self, version: int, counts: dict[int, int]) -> None:
        self.version = version
        self.counts = counts


class Position(msgspec.Struct):
    next_offset: int
    versions: dict[int, int]


def encode_record(version: int, content: object) -> bytes:
    body = version.to_bytes(8, "big") + msgspec.msgpack.encode(content)
    return body[:8] + crc32(body).to_bytes(4, "big") + body[8:]


def decode_record(record: bytes, kind: type[T]) -> tuple[int, T]:
    body = record[:8] + record[12:]
    if crc32(body) != int.from_bytes(record[8:12], "big"):
        raise StateCorrupt("A record's checksum is wrong.")
    return int.from_bytes(record[:8], "big"), msgspec.msgpack.decode(record[12:], type=kind)


class CountingFold:
    def __init__(self, fact_padding_bytes: int = 0, apply_s: float = 0.0) -> None:
        self._pages: dict[int, Page] = {}
        self._dirty: set[int] = set()
        self._next_offset: int | None = None
        self._padding = "x" * fact_padding_bytes
        self._apply_s = apply_s

    def restore(self, position: bytes | None, pages: Mapping[int, bytes]) -> None:
        for number, record in pages.items():
            self._pages[number] = Page(*decode_record(record, dict[int, int]))
        if position is None:
            return
        found = decode_record(position, Position)[1]
        for number, version in found.versions.items():
            if number not in self._pages or self._pages[number].version < version:
                raise StateCorrupt(f"Page {number} is older than the position lists.")
        self._next_offset = found.next_offset

    def next_offset(self) -> int | None:
        return self._next_offset

    def apply(self, value: bytes, offset: int) -> list[OutFact]:
        time.sleep(self._apply_s)
        facts: list[OutFact] = []
        touched: dict[int, set[int]] = {}
        for key in msgspec.msgpack.decode(value, type=list[int]):
            page = self._pages.setdefault(key % PAGES, Page(-1, {}))
            if page.version < offset:
                page.counts[key] = page.counts.get(key, 0) + 1
                touched.setdefault(key % PAGES, set()).add(key)
        for number, keys in touched.items():
            page = self._pages[number]
            page.version = offset
            facts += [self._fact(key, page.counts[key], offset) for key in sorted(keys)]
        self._dirty |= touched.keys()
        self._next_offset = offset + 1
        return facts

    def durable_to(self) -> int | None:
        return self._next_offset

    def take_dirty(self, bytes_max: int | None = None) -> list[tuple[int, bytes]]:
        dirty, self._dirty = sorted(self._dirty), set()
        return [(number, encode_record(self._pages[number].version, self._pages[number].counts)) for number in dirty]

    def position(self) -> bytes:
        assert self._next_offset is not None
        versions = {number: page.version for number, page in sorted(self._pages.items()) if page.version >= 0}
        return encode_record(self._next_offset - 1, Position(self._next_offset, versions))

    def pages(self) -> dict[int, dict[int, int]]:
        return {number: page.counts for number, page in self._pages.items()}

    def status(self) -> dict[str, object]:
        return {"watermark": None}

    def _fact(self, key: int, count: int, offset: int) -> OutFact:
        value = msgspec.json.encode({"id": key, "revision": offset, "count": count, "padding": self._padding})
        return OutFact(topics.SESSIONS, b"%d" % key, f"workspace-{key % 10}", value)

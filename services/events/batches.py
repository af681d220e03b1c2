"""The batches format: what ingest tells the processors, one message at a time (DESIGN §2). Versioned; msgpack.

A message to a batches partition says for every raw partition it covers the half-open range [start, stop) of raw offsets: every event in it that belongs to
that batches partition is inside, or there are none. So a reader that holds one number for each raw partition can tell a repeated event from a lost one.
Events are columns: a column is copied, not parsed, and a reader touches only the columns that it needs. Texts become Python's in the Python twin alone.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from services.events.event import Event

BATCHES_VERSION: Final = 1

OFFSETS: Final = "q"
PAGES: Final = "I"
TIMES: Final = "q"


class BatchFormatError(ValueError):
    """These bytes are no batches message of a version that this release reads."""


class Range(msgspec.Struct, array_like=True, gc=False):
    """What a message covers of one raw partition."""

    topic: int
    """Index in `topics.RAW_TOPICS`."""
    partition: int
    start: int
    stop: int
    """[start, stop): raw offsets. Equal: nothing new, only `idle`."""
    begins: bool
    """`start` is where the raw log itself begins: there is no predecessor to miss."""
    newest_ms: int | None
    """Greatest event time in the range; None: no event was accepted in it."""
    log_ms: int | None
    """Log time of the last record in the range; None: it is empty."""
    closed_ms: int | None
    """E8: the greatest `log.closed` in the range."""
    idle: bool
    """T2: the raw partition has been read to its end for `idle_after`."""
    log_id: str = ""
    """The raw topic's id. Offsets of a topic that was deleted and made anew are not those of the old one."""


class Rows(msgspec.Struct, array_like=True, gc=False):
    """The events of one batches partition, a row each, in columns of equal length; in the order in which ingest read them."""

    runs: list[tuple[int, int]]
    """(index into `Batch.ranges`, number of rows): rows of one raw partition that follow one another."""
    offsets: bytes
    """Raw offset of each row; 64 bits, little-endian."""
    pages: bytes
    """32 bits, little-endian."""
    kinds: bytes
    times_ms: bytes
    """64 bits, little-endian."""
    keys: msgspec.Raw
    """`keys.talk_key` of a conversation's or call's event; else empty. An array of texts, as are the next two."""
    whos: msgspec.Raw
    """`keys.who_text` where it counts; else empty."""
    message_ids: msgspec.Raw
    """Of user messages; else empty."""
    events: list[Event]
    """The rows of alerts and agents, whole, in the order of the rows."""


class Batch(msgspec.Struct, array_like=True, gc=False):
    """One message of `metering.batches.v1`."""

    version: int
    tick_ms: int
    """T1: the wall clock at ingest, or the newest log time when that is more than 72 h behind it."""
    wall_ms: int
    """The wall clock at ingest: only for how long a partition has been quiet (T7)."""
    layout: list[int]
    """Partitions of each raw topic: whose progress the watermark waits for."""
    ranges: list[Range]
    rows: Rows


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)
_decode_texts = msgspec.msgpack.Decoder(list[str]).decode


def encode_batch(batch: Batch) -> bytes:
    """The message's bytes."""
    return _encoder.encode(batch)


def decode_batch(value: bytes) -> Batch:
    """The message, or `BatchFormatError`."""
    try:
        batch = _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise BatchFormatError(f"not a batches message: {error}") from None
    if batch.version != BATCHES_VERSION:
        raise BatchFormatError(f"batches version {batch.version}; this release reads {BATCHES_VERSION}")
    return batch


def pack(numbers: array[int]) -> bytes:
    """A column of numbers as bytes, little-endian on every machine."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def unpack(typecode: str, column: bytes) -> array[int]:
    """The column's numbers again."""
    numbers = array(typecode, column)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def pack_texts(texts: Sequence[str]) -> msgspec.Raw:
    """A column of texts."""
    return msgspec.Raw(_encoder.encode(texts))


def unpack_texts(column: msgspec.Raw) -> list[str]:
    """The column's texts again, or `BatchFormatError`."""
    try:
        return _decode_texts(column)
    except msgspec.MsgspecError as error:
        raise BatchFormatError(f"a column of texts cannot be read: {error}") from None

"""Columns as an Arrow stream, which ClickHouse reads as it is. Pure.

Why Arrow: on 50,000 session facts, in turn with ClickHouse's own format built in Python, it took 11 µs of our processor time a fact instead of 16
(medians of six on a busy machine; least 7 and 15), decoding included, and about the same of ClickHouse's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pyarrow as pa  # type: ignore[import-untyped]

from services.sink.rows import INSTANT, INSTANT_OR_NULL, TEXT, WORD, Columns, Table, Unreadable

STREAM_ROWS: Final = 65_536
_MS: Final = pa.timestamp("ms", "UTC")
_TYPES: Final[dict[str, pa.DataType]] = {
    TEXT: pa.string(),
    WORD: pa.string(),
    INSTANT: _MS,
    INSTANT_OR_NULL: _MS,
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Int32": pa.int32(),
    "Array(String)": pa.list_(pa.string()),
    "Map(String, UInt64)": pa.map_(pa.string(), pa.uint64()),
}


def arrow_stream(table: Table, rows: Iterable[Columns]) -> bytes:
    """All rows as one stream, compressed. Raises Unreadable for a value that its column cannot hold."""
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in table.columns.items()])
    batches = [_batch(table, columns, schema) for columns in rows]
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(pa.Table.from_batches(batches, schema).combine_chunks(), max_chunksize=STREAM_ROWS)
    return bytes(out.getvalue())


def warm_up() -> None:
    """Have Arrow load what it loads at its first use: while the group is joined, not while rows wait."""
    _array(INSTANT, [])


def _batch(table: Table, columns: Columns, schema: pa.Schema) -> pa.RecordBatch:
    try:
        return pa.record_batch([_array(kind, column) for kind, column in zip(table.columns.values(), columns, strict=True)], schema)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise Unreadable(str(error)) from error


def _array(kind: str, column: Sequence[object]) -> pa.Array:
    if _TYPES[kind] is _MS:
        return pa.array(column, pa.string()).cast(_MS)
    return pa.array(map(_pairs, column) if kind.startswith("Map") else column, _TYPES[kind])


def _pairs(value: object) -> list[tuple[object, object]]:
    assert isinstance(value, Mapping)
    return list(value.items())

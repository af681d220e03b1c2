"""Facts as JSON (schemas/README F2) to columns of ClickHouse. Pure.

Rule: a field of a fact is a column of its table by the same name; the list below is the one that decodes and inserts, and tests hold it
against the published models and against the tables that the migrations make.
Limit: instants outside of 1900-2299 are stored as they are, and some versions of ClickHouse show them as the edge of that range.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from services.events import topics

TEXT: Final = "String"
WORD: Final = "LowCardinality(String)"
INSTANT: Final = "DateTime64(3, 'UTC')"
INSTANT_OR_NULL: Final = f"Nullable({INSTANT})"

CHUNK_ROWS: Final = 512

Row = msgspec.Struct
Columns = list[Sequence[object]]
"""One sequence for each column of a table, in its order; instants as their text."""


class Unreadable(Exception):
    """The bytes are no fact of this topic; `str()` says which field is wrong."""


@dataclass(frozen=True, slots=True)
class Table:
    """`columns`: name → ClickHouse type, in the order of the fact's fields."""

    name: str
    columns: dict[str, str]


_HEAD: Final = {"revision": "UInt64", "status": WORD, "workspace_id": TEXT}
_WHO: Final = {"channel": WORD, "kore_user_id": TEXT, "channel_user_id": TEXT, "conversation_id": TEXT}

TABLES: Final[dict[str, Table]] = {
    topics.SESSIONS: Table(
        "billing_sessions",
        {"billing_session_id": TEXT, **_HEAD, "app_id": TEXT, "type": WORD, **_WHO}
        | {"conversation_start": INSTANT, "start": INSTANT, "end": INSTANT, "bot_ms": "UInt64", "human_ms": "UInt64", "message_id": TEXT, "rule": WORD},
    ),
    topics.EPISODES: Table(
        "conversations",
        {"conversation_episode_id": TEXT, **_HEAD, "app_id": TEXT, **_WHO}
        | {"start": INSTANT, "end": INSTANT_OR_NULL, "end_reason": WORD, "sessions": "UInt32", "human_ms": "UInt64"},
    ),
    topics.PEAKS: Table(
        "seat_peaks", {"seat_peak_id": TEXT, **_HEAD, "app_id": TEXT, "quarter": INSTANT, "peak": "UInt32", "peak_at": INSTANT, "agents": "UInt32"}
    ),
    topics.LOGINS: Table(
        "agent_logins",
        {"agent_login_id": TEXT, **_HEAD, "login_id": TEXT, "agent_id": TEXT, "app_ids": "Array(String)", "start": INSTANT, "end": INSTANT_OR_NULL},
    ),
    topics.ASSIGNMENTS: Table(
        "agent_assignments", {"agent_assignment_id": TEXT, **_HEAD, "app_id": TEXT, "agent_id": TEXT, "start": INSTANT, "end": INSTANT_OR_NULL}
    ),
    topics.REJECTED: Table(
        "rejected_events",
        {"rejected_id": TEXT, **_HEAD, "source_topic": WORD, "source_partition": "UInt32", "source_offset": "UInt64", "log_time": INSTANT}
        | {"reason": WORD, "field": WORD, "detail": TEXT, "size_bytes": "UInt64", "payload_base64": TEXT},
    ),
    topics.LEDGER: Table(
        "ledger",
        {"ledger_id": TEXT, **_HEAD, "stage": WORD, "source_topic": WORD, "source_partition": "UInt32", "batches_partition": "Int32"}
        | dict.fromkeys(("from_offset", "to_offset", "read", "accepted", "control"), "UInt64")
        | {"rejected": "Map(String, UInt64)", "applied": "UInt64", "covered": "UInt64", "watermark": INSTANT_OR_NULL},
    ),
}
"""Topic → its table."""

_COUNT: Final = Annotated[int, msgspec.Meta(ge=0)]
_INSTANT_TEXT: Final = Annotated[str, msgspec.Meta(min_length=24, max_length=24)]
"""The length alone: a pattern costs 1 µs an instant, and what is no instant fails when the column is made of it."""
_JSON_TYPES: Final[dict[str, Any]] = {
    TEXT: str,
    WORD: str,
    INSTANT: _INSTANT_TEXT,
    INSTANT_OR_NULL: _INSTANT_TEXT | None,
    "UInt32": _COUNT,
    "UInt64": _COUNT,
    "Int32": int,
    "Array(String)": list[str],
    "Map(String, UInt64)": dict[str, Annotated[int, msgspec.Meta(ge=0)]],
}


def _decoder(table: Table) -> msgspec.json.Decoder[Row]:
    fields = [(name, _JSON_TYPES[column]) for name, column in table.columns.items()]
    return msgspec.json.Decoder(msgspec.defstruct(table.name, fields, forbid_unknown_fields=True, frozen=True, gc=False))


_DECODERS: Final = {topic: _decoder(table) for topic, table in TABLES.items()}


def read_row(topic: str, value: bytes | None) -> Row:
    """The fact in a record of `topic`. Raises Unreadable."""
    if value is None:
        raise Unreadable("a fact is never deleted, but taken back by a record with status void")
    try:
        return _DECODERS[topic].decode(value)
    except msgspec.MsgspecError as error:
        raise Unreadable(str(error)) from error


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of one topic as they came; iterated, they are columns. Raises Unreadable on the way."""

    topic: str
    values: Sequence[bytes | None]

    def __iter__(self) -> Iterator[Columns]:
        return to_columns(self.topic, self.values)


def to_columns(topic: str, values: Sequence[bytes | None]) -> Iterator[Columns]:
    """The facts as columns, so many rows at a time that decoding and turning stay in the processor's cache (measured: half the time of all at once).

    Raises Unreadable.
    """
    for first in range(0, len(values), CHUNK_ROWS):
        rows = [read_row(topic, value) for value in values[first : first + CHUNK_ROWS]]
        yield list(zip(*map(msgspec.structs.astuple, rows), strict=True))

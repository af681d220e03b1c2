"""The lines of a dump: a record of the raw log as one JSON object, with its origin and log time, exactly as it lies there. Pure.

`{"topic": …, "partition": …, "offset": …, "log_time_ms": …, "log_time": …, "value": …}`: `value` is the record's text when that is UTF-8; else
`value_base64` holds its bytes instead. A record without a value has `"value": null`.
`log_time_ms` counts, `log_time` is for people (Kafka takes times that no calendar has).
"""

from __future__ import annotations

from base64 import b64decode, b64encode

import msgspec

from services.cli.proof.record import Record
from services.events.times import format_ms


class NoDumpLine(ValueError):
    """The line is no line of a dump; `str()` says why."""


class _Line(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    topic: str
    partition: int
    offset: int
    log_time_ms: int
    log_time: str
    value: str | msgspec.UnsetType | None = msgspec.UNSET
    value_base64: str | msgspec.UnsetType = msgspec.UNSET


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def dump_line(record: Record) -> bytes:
    """The line of a record, without its end."""
    line = _Line(record.topic, record.partition, record.offset, record.log_ms, format_ms(record.log_ms))
    try:
        line.value = None if record.value is None else record.value.decode()
    except UnicodeDecodeError:
        line.value_base64 = b64encode(record.value or b"").decode("ascii")
    return _encode(line)


def read_dump_line(line: bytes) -> Record:
    """The record of a line. Raises `NoDumpLine`."""
    try:
        found = _decode(line)
        value = _value(found)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NoDumpLine(str(error)) from None
    return Record(found.topic, found.partition, found.offset, found.log_time_ms, value)


def is_dump_line(line: bytes) -> bool:
    """Whether a file that begins with this line is a dump, and not a file of events."""
    try:
        read_dump_line(line)
    except NoDumpLine:
        return False
    return True


def _value(line: _Line) -> bytes | None:
    if isinstance(line.value_base64, str):
        return b64decode(line.value_base64, validate=True)
    if line.value is msgspec.UNSET:
        raise NoDumpLine("it has neither `value` nor `value_base64`")
    return None if line.value is None else line.value.encode()

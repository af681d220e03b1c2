"""Lines of events: which lines of a file are records, and what must be known of one to write it: topic, key, time (E7).

Nothing is judged: what cannot be read is simply not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import msgspec

from services.events import topics
from services.events.times import parse_ms
from services.native import load

TOPICS: Final = {"conversation": topics.CONVERSATIONS, "voice": topics.VOICE, "alert": topics.ALERTS, "agent": topics.AGENTS}
"""Prefix of a type -> topic (SPEC §3). Everything else goes to the first, where ingest refuses it with its origin."""

Subject = Annotated[str, msgspec.Meta(max_length=256)]


class _Head(msgspec.Struct, gc=False):
    """The usual line: three texts, and the rest skipped."""

    type: str
    time: str
    subject: Subject


class _Time(msgspec.Struct, gc=False):
    time: str


class _AnyHead(msgspec.Struct, gc=False):
    type: object = None
    time: object = None
    subject: object = None


_time = msgspec.json.Decoder(_Time).decode
_head = msgspec.json.Decoder(_Head).decode
_any_head = msgspec.json.Decoder(_AnyHead).decode


def records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file without their ends. Blank lines at its end are no records; others are, so that record n is line n."""
    blank: list[bytes] = []
    for line in lines:
        record = line.removesuffix(b"\n").removesuffix(b"\r")
        if not record or record.isspace():
            blank.append(record)
            continue
        if blank:
            yield from blank
            blank.clear()
        yield record


def read_time(line: bytes) -> int | None:
    """The event time in UTC milliseconds; none where the line does not tell it. What `read_head` says of it, in less than half the time."""
    try:
        return parse_ms(_time(line).time)
    except (msgspec.MsgspecError, ValueError):
        return None


def read_times(lines: list[bytes]) -> list[int | None]:
    """`read_time` of each line."""
    native = load()
    if native is None:
        return [read_time(line) for line in lines]
    plain: list[int | None] = native.event_times(lines)
    return [read_time(line) if time_ms is None else time_ms for time_ms, line in zip(plain, lines, strict=True)]


def read_head(line: bytes) -> tuple[str, str | None, int | None]:
    """(topic, key, event time in UTC milliseconds); key and time are none where the line does not tell them."""
    try:
        head = _head(line)
        return TOPICS.get(head.type.partition(".")[0], topics.CONVERSATIONS), head.subject, parse_ms(head.time)
    except (msgspec.MsgspecError, ValueError):
        return _read_odd_head(line)


def _read_odd_head(line: bytes) -> tuple[str, str | None, int | None]:
    try:
        head = _any_head(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return topics.CONVERSATIONS, None, None
    prefix = head.type.partition(".")[0] if isinstance(head.type, str) else ""
    subject = head.subject if isinstance(head.subject, str) and len(head.subject) <= 256 else None
    return TOPICS.get(prefix, topics.CONVERSATIONS), subject, _time_ms(head.time)


def _time_ms(text: object) -> int | None:
    try:
        return parse_ms(text) if isinstance(text, str) else None
    except ValueError:
        return None

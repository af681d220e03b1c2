"""State records: the bytes of a page and of a position (DESIGN §2). Versioned, with a checksum; a record that cannot be believed is refused.

A record is: version (8 bytes, big-endian: generation·2^48 + the batches offset that it reflects), CRC-32 of the rest (4 bytes), msgpack.
Versions compare as bytes, so whoever recovers can take the highest without reading further.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

import msgspec

from services.events.event import Kind
from services.meters.assignments import Assignment
from services.meters.logins import Login
from services.meters.rules import FOREVER_MS
from services.meters.usage import Conversation
from services.meters.voice import Call
from services.meters.walk import NOBODY, Who
from services.meters.watermark import Clock
from services.meters.workspace import Workspace

STATE_VERSION: Final = 1
HEADER_BYTES: Final = 12


class StateCorrupt(Exception):
    """A state record that must not be used: rebuild the state from the log. `str()` says which and why."""


class ConversationState(msgspec.Struct, array_like=True, gc=False):
    """One conversation. Entries are columns; times are differences to the one before; `who` is an index into `names`."""

    workspace_id: str
    app_id: str
    conversation_id: str
    last_ms: int
    due_ms: int
    shown: bool
    human_open: bool
    hours: list[int]
    names: list[Who]
    steps_ms: list[int]
    kinds: bytes
    who: bytes | list[int]
    message_ids: list[str]


class CallState(msgspec.Struct, array_like=True, gc=False):
    """One call."""

    workspace_id: str
    app_id: str
    call_id: str
    last_ms: int
    due_ms: int
    shown: bool
    hours: list[int]
    events: list[tuple[int, Kind, str, str, str]]


class WorkspaceState(msgspec.Struct, array_like=True, gc=False):
    """The logins and assignments of one workspace."""

    workspace_id: str
    logins: list[tuple[str, int, list[tuple[int, str, tuple[str, ...]]], list[int]]]
    assignments: list[tuple[str, str, list[tuple[int, bool]]]]


class PageState(msgspec.Struct, array_like=True, gc=False):
    """One page: everything whose subject hashes to it."""

    format: int
    watermark_ms: int
    conversations: list[ConversationState]
    calls: list[CallState]
    workspaces: list[WorkspaceState]


class PositionState(msgspec.Struct, array_like=True, gc=False):
    """Where a partition stands: written after every page that it lists (E3)."""

    format: int
    next_offset: int
    clock: Clock
    ledger_wall_ms: int
    swept_ms: int
    versions: dict[int, int]
    """Page → version of its newest record."""


_encode = msgspec.msgpack.Encoder().encode
_decode_page = msgspec.msgpack.Decoder(PageState).decode
_decode_position = msgspec.msgpack.Decoder(PositionState).decode


def seal(version: int, state: PageState | PositionState) -> bytes:
    """A record's bytes."""
    body = _encode(state)
    return version.to_bytes(8, "big") + crc32(body).to_bytes(4, "big") + body


def version_of(record: bytes) -> int:
    """The version in a record's head."""
    return int.from_bytes(record[:8], "big")


def open_page(page: int, record: bytes) -> PageState:
    """A page's state. Raises `StateCorrupt`."""
    return _open(f"page {page}", record, _decode_page)


def open_position(record: bytes) -> PositionState:
    """A position's state. Raises `StateCorrupt`."""
    return _open("the position record", record, _decode_position)


def _open(name: str, record: bytes, decode):  # type: ignore[no-untyped-def]
    body = record[HEADER_BYTES:]
    if len(record) < HEADER_BYTES or crc32(body) != int.from_bytes(record[8:HEADER_BYTES], "big"):
        raise StateCorrupt(f"The state of {name} is damaged: its checksum does not fit. Rebuild the state from the log with a new generation.")
    try:
        state = decode(body)
    except msgspec.MsgspecError as error:
        raise StateCorrupt(f"The state of {name} cannot be read: {error}.") from None
    if state.format != STATE_VERSION:
        raise StateCorrupt(f"The state of {name} has format {state.format}; this release reads {STATE_VERSION}.")
    return state


def dump_conversation(c: Conversation) -> ConversationState:
    """The record of a conversation: the same for the same set of events, watermark and `due_ms` history apart."""
    names = sorted({entry[3] for entry in c.entries if entry[3] != NOBODY})
    index = {who: number for number, who in enumerate(names, 1)} | {NOBODY: 0}
    times = [entry[0] for entry in c.entries]
    who = [index[entry[3]] for entry in c.entries]
    return ConversationState(
        c.workspace_id, c.app_id, c.conversation_id, c.last_ms, c.due_ms, c.shown, c.human_open, c.hours, names,
        [after - before for before, after in zip([0, *times], times, strict=False)], bytes(entry[1] for entry in c.entries),
        bytes(who) if len(names) < 256 else who, [entry[2] for entry in c.entries if entry[1] is Kind.MESSAGE_BY_USER],
    )  # fmt: skip


def load_conversation(s: ConversationState) -> Conversation:
    """A conversation as it was."""
    c = Conversation(s.workspace_id, s.app_id, s.conversation_id)
    c.last_ms, c.due_ms, c.shown, c.human_open, c.hours = s.last_ms, s.due_ms, s.shown, s.human_open, s.hours
    names = [NOBODY, *s.names]
    ids = iter(s.message_ids)
    at = 0
    for step, number, who in zip(s.steps_ms, s.kinds, s.who, strict=True):
        at += step
        kind = _KINDS[number]
        c.entries.append((at, kind, next(ids) if kind is Kind.MESSAGE_BY_USER else "", names[who]))
    return c


def dump_call(c: Call) -> CallState:
    """The record of a call."""
    return CallState(c.workspace_id, c.app_id, c.call_id, c.last_ms, c.due_ms, c.shown, c.hours, c.events)


def load_call(s: CallState) -> Call:
    """A call as it was."""
    c = Call(s.workspace_id, s.app_id, s.call_id)
    c.last_ms, c.due_ms, c.shown, c.hours, c.events = s.last_ms, s.due_ms, s.shown, s.hours, s.events
    return c


def dump_workspace(w: Workspace) -> WorkspaceState:
    """The record of a workspace's seats."""
    logins = [(login.login_id, login.last_ms, login.logins, login.logouts) for _, login in sorted(w.logins.items())]
    return WorkspaceState(w.workspace_id, logins, [(app, agent, a.marks) for (app, agent), a in sorted(w.assignments.items())])


def load_workspace(s: WorkspaceState) -> Workspace:
    """A workspace's sets; `restore` rebuilds the rest."""
    w = Workspace(s.workspace_id)
    for login_id, last_ms, logins, logouts in s.logins:
        login = w.logins[login_id] = Login(login_id)
        login.last_ms, login.logins, login.logouts = last_ms, logins, logouts
    for app_id, agent_id, marks in s.assignments:
        w.assignments[app_id, agent_id] = assignment = Assignment(app_id, agent_id)
        assignment.marks = marks
    return w


_KINDS = list(Kind)
assert FOREVER_MS < 2**63, "instants travel as 64-bit integers"

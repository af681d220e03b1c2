"""State records: the bytes of a page and of a position (DESIGN §2). Versioned, with a checksum; a record that cannot be believed is refused.

A record is: version (8 bytes, big-endian: generation·2^48 + the batches offset that it reflects), CRC-32 of the rest (4 bytes), msgpack in a frame of zstd
(format 1: msgpack as it is). Versions compare as bytes, so whoever recovers can take the highest without reading further.
Packed, a live conversation of ten messages takes 122 bytes of record instead of 358: on the topic, in a recovery, and in the memory that Faust's table takes.
A page's talks are in frames that follow, newest first (from format 4): those that changed since its record before, and all of the record before, copied as
it is. When all of a page was packed anew each time, half of what an event cost with a million live conversations was the writing of pages, nearly all of it
for talks that nobody had touched. Format 3 had two: all that changed since the older one, packed anew each time.
Talks that were let go (T4) since all was packed are in them too: who restores lets go of them again.
Limit: records are sealed and opened by one thread, the event loop's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, NamedTuple, TypeVar
from zlib import crc32

import msgspec
import zstandard

from services.meters.assignments import Assignment
from services.meters.logins import Login
from services.meters.rules import FOREVER_MS, Rules
from services.meters.watermark import Clock
from services.meters.workspace import Workspace
from services.native import load

STATE_VERSION: Final = 4
HEADER_BYTES: Final = 12
_READS: Final = (1, 2, 3, STATE_VERSION)
_PACKED: Final = b"\x28\xb5\x2f\xfd"
"""How a frame of zstd begins, and no array of msgpack."""


class StateCorrupt(Exception):
    """A state record that must not be used: rebuild the state from the log. `str()` says which and why."""


class StateNewer(Exception):
    """A state record of a release that this one does not know. `str()` says which and what to do."""


LoginState = tuple[str, int, list[tuple[int, str, tuple[str, ...]]], list[int]]
"""(login id, last event, logins, logouts) of `logins.Login`."""


class WorkspaceState(msgspec.Struct, array_like=True, gc=False):
    """The logins and assignments of one workspace."""

    workspace_id: str
    logins: list[msgspec.Raw]
    """Each a `LoginState`, by login id, encoded apart: an untouched one is copied, not made anew."""
    assignments: list[tuple[str, str, list[tuple[int, bool]]]]


class Named(msgspec.Struct, array_like=True, gc=False):
    """What a `WorkspaceState` begins with, whatever follows."""

    workspace_id: str


class PageState(msgspec.Struct, array_like=True, gc=False):
    """One page: everything whose name hashes to it."""

    format: int
    watermark_ms: int
    talks: list[bytes]
    """Each a `talk.Talk`. Empty from format 4; before, one that is in a frame as well is newer here."""
    workspaces: list[msgspec.Raw]
    """Each a `WorkspaceState`, which one of the twins reads."""
    frames: list[int] = []
    """Bytes of each frame of talks that follows, newest first; from format 4."""


class PositionState(msgspec.Struct, array_like=True, gc=False):
    """Where a partition stands: written after every page that it lists (E3)."""

    format: int
    next_offset: int
    clock: Clock
    ledger_wall_ms: int
    swept_ms: int
    versions: dict[int, int]
    """Page → version of its newest record."""
    batches_id: str = ""
    """Id of the batches topic that `next_offset` counts in; empty: not told."""


@dataclass(slots=True)
class Settled:
    """The talks of a page that its next record copies: their frames lie at the end of the newest record, which is in memory anyway, in Faust's table."""

    record: bytes
    sizes: list[int]
    """Bytes of each frame, newest first: the last one is of all, those before it of what changed later."""

    @property
    def frames(self) -> memoryview:
        return memoryview(self.record)[len(self.record) - sum(self.sizes) :]

    @property
    def is_long(self) -> bool:
        """What came later is as long as the frame of all."""
        return sum(self.sizes[:-1]) >= sum(self.sizes[-1:])


class Page(NamedTuple):
    """What a record says of a page."""

    state: PageState
    settled_talks: list[bytes]
    """Of all frames: of a talk that is there several times, the first one is the newest."""
    settled: Settled


class Format(msgspec.Struct, array_like=True, gc=False):
    """What every record begins with, whatever follows."""

    format: int


_pack = zstandard.ZstdCompressor(level=1).compress
_unpack = zstandard.ZstdDecompressor().decompress
_unpacker = zstandard.ZstdDecompressor().decompressobj
_encode = msgspec.msgpack.Encoder().encode
_decode_login = msgspec.msgpack.Decoder(LoginState).decode
_decode_workspace = msgspec.msgpack.Decoder(WorkspaceState).decode
_decode_named = msgspec.msgpack.Decoder(Named).decode
_decode_format = msgspec.msgpack.Decoder(Format).decode
_decode_page = msgspec.msgpack.Decoder(PageState).decode
_decode_position = msgspec.msgpack.Decoder(PositionState).decode
_decode_talks = msgspec.msgpack.Decoder(list[bytes]).decode

S = TypeVar("S", PageState, PositionState)


def seal_page(version: int, state: PageState, newest: list[bytes], before: Settled | None) -> Settled:
    """A page's record: the newest of its talks in a frame, and the frames of the record before as they are; without, `newest` are all."""
    # Where only seats changed, there is nothing to add.
    frames: list[bytes | memoryview] = [_pack(_encode(newest))] if newest else []
    state.frames = [len(frame) for frame in frames]
    if before:
        frames.append(before.frames)
        state.frames += before.sizes
    return Settled(seal(version, state, *frames), state.frames)


def seal(version: int, state: PageState | PositionState, *frames: bytes | memoryview) -> bytes:
    """A record's bytes; `frames`: of a page's settled talks."""
    # Frames may be long, so they are copied once, and not put together first.
    parts = (_pack(_encode(state)), *frames)
    checksum = 0
    for part in parts:
        checksum = _checksum(part, checksum)
    return b"".join((version.to_bytes(8, "big"), checksum.to_bytes(4, "big"), *parts))


def version_of(record: bytes) -> int:
    """The version in a record's head."""
    return int.from_bytes(record[:8], "big")


def open_page(page: int, record: bytes) -> Page:
    """What a page's record says. Raises `StateCorrupt`, `StateNewer`."""
    state, frames = _open(f"page {page}", record, _decode_page)
    # Format 3 has one frame or none, and says nothing of it.
    sizes = state.frames or ([len(frames)] if frames else [])
    ends = list(accumulate(sizes, initial=0))
    try:
        talks = [talk for begin, end in pairwise(ends) for talk in _decode_talks(_unpack(frames[begin:end]))]
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise StateCorrupt(f"The settled talks of page {page} cannot be read: {error}.") from None
    if ends[-1] != len(frames):
        raise StateCorrupt(f"The settled talks of page {page} cannot be read: there are {len(frames)} bytes of them instead of {ends[-1]}.")
    return Page(state, talks, Settled(record, sizes))


def open_position(record: bytes) -> PositionState:
    """A position's state. Raises `StateCorrupt`, `StateNewer`."""
    return _open("the position record", record, _decode_position)[0]


def _open(name: str, record: bytes, decode: Callable[[bytes], S]) -> tuple[S, bytes]:
    """What a record says first, and the frames that follow."""
    if len(record) < HEADER_BYTES or _checksum(record[HEADER_BYTES:], 0) != int.from_bytes(record[8:HEADER_BYTES], "big"):
        raise StateCorrupt(f"The state of {name} is damaged: its checksum does not fit. Rebuild the state from the log with a new generation.")
    try:
        body, frames = unpacked(record)
        state = decode(body)
    except zstandard.ZstdError as error:
        raise StateCorrupt(f"The state of {name} cannot be unpacked: {error}.") from None
    except msgspec.MsgspecError as error:
        _refuse_newer(name, body)
        raise StateCorrupt(f"The state of {name} cannot be read: {error}.") from None
    if state.format not in _READS:
        _refuse_newer(name, body)
        raise StateCorrupt(f"The state of {name} has format {state.format}; this release reads {', '.join(map(str, _READS))}.")
    return state, frames


def unpacked(record: bytes) -> tuple[bytes, bytes]:
    """A record's first msgpack, whether it is packed or not, and the frames that follow. Raises `ZstdError`."""
    body = record[HEADER_BYTES:]
    if not body.startswith(_PACKED):
        return body, b""
    unpacker = _unpacker()
    first = unpacker.decompress(body)
    if not unpacker.eof:
        raise zstandard.ZstdError("it is cut short")
    return first, unpacker.unused_data


def _checksum(part: bytes | memoryview, before: int) -> int:
    """CRC-32 of what came before and of this. Settled talks are only copied, so that this is what they cost: 2.4 GB a second by zlib, 19 compiled."""
    native = load()
    return crc32(part, before) if native is None else int(native.crc32(part, before))


def _refuse_newer(name: str, body: bytes) -> None:
    with suppress(msgspec.MsgspecError):
        written = _decode_format(body).format
        if written > STATE_VERSION:
            raise StateNewer(f"The state of {name} has format {written}, of a newer release; this one reads {STATE_VERSION}. Start the newer release here.")


def dump_workspace(w: Workspace) -> bytes:
    """The record of a workspace's seats: a `WorkspaceState`."""
    logins = [w.logins[login_id].record or _login_record(w.logins[login_id]) for login_id in sorted(w.logins)]
    return _encode(WorkspaceState(w.workspace_id, logins, [(app, agent, a.marks) for (app, agent), a in sorted(w.assignments.items())]))


def load_workspace(record: bytes, rules: Rules) -> Workspace:
    """A workspace's sets; `restore` rebuilds the rest. Raises `StateCorrupt`."""
    try:
        s = _decode_workspace(record)
        states = [_decode_login(login) for login in s.logins]
    except msgspec.MsgspecError as error:
        raise seats_corrupt(record, error) from error
    w = Workspace(s.workspace_id, rules)
    for login_id, last_ms, logins, logouts in states:
        login = w.logins[login_id] = Login(login_id, rules)
        login.last_ms, login.logins, login.logouts = last_ms, logins, logouts
    for app_id, agent_id, marks in s.assignments:
        w.assignments[app_id, agent_id] = assignment = Assignment(app_id, agent_id)
        assignment.marks = marks
    return w


def seats_corrupt(record: bytes, error: Exception) -> StateCorrupt:
    """What to say of a workspace's record that cannot be read."""
    name = "a workspace"
    with suppress(msgspec.MsgspecError):
        name = _decode_named(record).workspace_id
    return StateCorrupt(f"The state of the seats of {name} cannot be read: {error}.")


def _login_record(login: Login) -> msgspec.Raw:
    state: LoginState = (login.login_id, login.last_ms, login.logins, login.logouts)
    login.record = msgspec.Raw(_encode(state))
    return login.record


assert FOREVER_MS < 2**63, "instants travel as 64-bit integers"

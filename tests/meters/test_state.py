"""Records of the state topic are believed only whole and in a format that this release knows; a newer one is named as such, for a rebuild would not help."""

from __future__ import annotations

from zlib import crc32

import msgspec
import pytest
from zstandard import ZstdCompressor

from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from services.meters.state import (
    STATE_VERSION,
    PageState,
    PositionState,
    StateCorrupt,
    StateNewer,
    WorkspaceState,
    open_page,
    open_position,
    seal,
    seal_page,
)
from services.meters.watermark import Clock

OLDER = seal_page(6, PageState(STATE_VERSION, 4, [], []), [b"older", b"oldest"], None)
PAGE = seal_page(7, PageState(STATE_VERSION, 5, [], []), [b"talk"], OLDER).record
POSITION = seal(7, PositionState(STATE_VERSION, 8, Clock({}), 0, 0, {3: 7}))


def with_body(*fields: object, packed: bool = True, frame: bytes = b"") -> bytes:
    encoded = msgspec.msgpack.encode(fields)
    body = (ZstdCompressor().compress(encoded) if packed else encoded) + frame
    return PAGE[:8] + crc32(body).to_bytes(4, "big") + body


def test_a_whole_record_is_read() -> None:
    state, settled_talks, settled = open_page(3, PAGE)
    assert settled_talks == [b"talk", b"older", b"oldest"]
    assert settled.sizes[1:] == OLDER.sizes
    assert bytes(settled.frames).endswith(OLDER.frames)
    assert seal(7, state, settled.frames) == PAGE
    assert open_position(POSITION).versions == {3: 7}


@pytest.mark.parametrize("place", range(8, len(PAGE)))
def test_a_changed_byte_in_checksum_or_body_is_damage(place: int) -> None:
    with pytest.raises(StateCorrupt, match="page 3 is damaged"):
        open_page(3, PAGE[:place] + bytes([PAGE[place] ^ 1]) + PAGE[place + 1 :])


@pytest.mark.parametrize("length", range(len(POSITION)))
def test_a_record_that_was_cut_off_is_damage(length: int) -> None:
    with pytest.raises(StateCorrupt, match="position record is damaged"):
        open_position(POSITION[:length])


def test_a_record_of_the_first_format_is_not_packed_and_is_read() -> None:
    assert open_page(3, with_body(1, 5, [b"talk"], [], packed=False)).state.talks == [b"talk"]


def test_a_record_of_the_second_format_has_no_settled_talks() -> None:
    state, settled_talks, _ = open_page(3, with_body(2, 5, [b"talk"], []))
    assert (state.talks, settled_talks) == ([b"talk"], [])


def test_a_record_of_the_third_format_has_what_changed_before_what_is_settled() -> None:
    record = with_body(3, 5, [b"talk"], [], frame=bytes(OLDER.frames))
    state, settled_talks, settled = open_page(3, record)
    assert (state.talks, settled_talks, settled.sizes) == ([b"talk"], [b"older", b"oldest"], OLDER.sizes)


def test_a_record_whose_packing_is_broken_cannot_be_used() -> None:
    first = seal(7, PageState(STATE_VERSION, 5, [], []))[12:]
    settled = "settled talks of page 3 cannot be read"
    for spoiled, what in ((first[:-1], "state of page 3 cannot be unpacked"), (PAGE[12:-1], settled), (PAGE[12:] + b"x", settled)):
        with pytest.raises(StateCorrupt, match=what):
            open_page(3, PAGE[:8] + crc32(spoiled).to_bytes(4, "big") + spoiled)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "as it is"])
@pytest.mark.parametrize("fields", [(5, [b"talk"], []), ({"of": "another"}, "shape"), ()], ids=["the same fields", "other fields", "none"])
def test_a_record_of_a_newer_release_says_so_whatever_its_fields_are(fields: tuple[object, ...], packed: bool) -> None:
    for read in (lambda record: open_page(3, record), open_position):
        with pytest.raises(StateNewer, match=rf"has format {STATE_VERSION + 1}, of a newer release; this one reads {STATE_VERSION}"):
            read(with_body(STATE_VERSION + 1, *fields, packed=packed))


@pytest.mark.parametrize("fields", [(0, 5, [b"talk"], []), ("one", 5), ()], ids=["no such format", "no number", "nothing"])
def test_a_record_of_no_format_cannot_be_used(fields: tuple[object, ...]) -> None:
    with pytest.raises(StateCorrupt):
        open_page(3, with_body(*fields))


def test_a_login_of_another_shape_cannot_be_used() -> None:
    login = msgspec.Raw(msgspec.msgpack.encode(("phone", "no instant", [], [])))
    workspace = msgspec.Raw(msgspec.msgpack.encode(WorkspaceState("acme", [login], [])))
    record = seal(7, PageState(STATE_VERSION, 5, [], [workspace]))
    with pytest.raises(StateCorrupt, match="seats of acme cannot be read"):
        PartitionFold(Rules(), 0, 4, 1, 1).restore(None, {3: record})

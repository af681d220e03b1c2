"""Which record counts, and which are refused."""

from __future__ import annotations

import pytest

from services.processors.exits import Fatal
from services.processors.state import newest, page_key, position_key, stored_by_partition


def record(version: int, text: bytes = b"") -> bytes:
    return version.to_bytes(8, "big") + text


def test_the_higher_version_wins_whatever_the_order() -> None:
    old, new = (b"k", record(7)), (b"k", record(300))
    assert newest({}, [old, new]) == newest({}, [new, old]) == {b"k": record(300)}


def test_a_record_that_is_held_is_not_replaced_by_an_older_one() -> None:
    assert newest({b"k": record(8)}, [(b"k", record(7))]) == {}


def test_of_equal_versions_the_later_counts() -> None:
    assert newest({b"k": record(8, b"a")}, [(b"k", record(8, b"b"))]) == {b"k": record(8, b"b")}


def test_a_record_without_a_version_is_refused() -> None:
    with pytest.raises(Fatal, match="damaged"):
        newest({}, [(b"k", b"1234567")])


def test_records_are_sorted_by_partition() -> None:
    found = stored_by_partition({page_key(1, 5): b"a", position_key(1): b"b", page_key(11, 5): b"c"})
    assert found == {1: (b"b", {5: b"a"}), 11: (None, {5: b"c"})}


@pytest.mark.parametrize("key", [b"", b"1:page", b"1:page:x", b"x:position", b"1:position:2", b"\xff"])
def test_a_key_of_someone_else_is_refused(key: bytes) -> None:
    with pytest.raises(Fatal, match="no page and no position"):
        stored_by_partition({key: record(1)})

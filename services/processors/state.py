"""Names and versions of the records of the state topic, and which of two records counts: the one of the higher version (DESIGN §2, guard 3).

A paused worker may append an old record after its successor's newer one, so the last record of a key is not always the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from services.processors.exits import Exit, Fatal

VERSION_BYTES: Final = 8
"""Every record begins with the batches offset that it reflects, big-endian: bytes compare as numbers do."""

TABLE: Final = "state"
"""Name of the Faust table, which names the state topic: `{app id}-state-changelog` (`runtime.kafka.state_topic`)."""


class Stored(NamedTuple):
    """The records of one partition."""

    position: bytes | None
    pages: dict[int, bytes]


def page_key(partition: int, page: int) -> bytes:
    """One table holds all partitions of a worker: keys name theirs."""
    return b"%d:page:%d" % (partition, page)


def position_key(partition: int) -> bytes:
    """Key of the position record."""
    return b"%d:position" % partition


def newest(held: Mapping[bytes, bytes], records: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Of `records`, per key the one with the highest version, where `held` has none higher. Raises `Fatal` for one without a version."""
    best: dict[bytes, bytes] = {}
    for key, value in records:
        if len(value) < VERSION_BYTES:
            raise Fatal(Exit.STATE, f"State record {key!r} has only {len(value)} bytes: it is damaged. Meter everything anew: `quarterhour rebuild`.")
        rival = best.get(key) or held.get(key)
        if rival is None or value[:VERSION_BYTES] >= rival[:VERSION_BYTES]:
            best[key] = value
    return best


def stored_by_partition(records: Mapping[bytes, bytes]) -> dict[int, Stored]:
    """Sort a table's records by partition. Raises `Fatal` for a key that is not ours."""
    found: dict[int, Stored] = {}
    for key, value in records.items():
        partition, page = _parse(key)
        stored = found.setdefault(partition, Stored(None, {}))
        if page is None:
            found[partition] = stored._replace(position=value)
        else:
            stored.pages[page] = value
    return found


def partition_of(key: bytes) -> int:
    """The batches partition that a record belongs to."""
    return _parse(key)[0]


def _parse(key: bytes) -> tuple[int, int | None]:
    try:
        partition, kind, *page = key.split(b":")
        if kind == b"position" and not page:
            return int(partition), None
        if kind == b"page" and len(page) == 1:
            return int(partition), int(page[0])
    except ValueError:
        pass
    raise Fatal(Exit.STATE, f"The state topic holds a record {key!r} that is no page and no position: is the topic shared with another application?")

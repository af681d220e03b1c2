"""A record of a topic, as it lies there."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """One record; `log_ms` is its Kafka timestamp (UTC milliseconds), at least 1970."""

    topic: str
    partition: int
    offset: int
    log_ms: int
    value: bytes | None

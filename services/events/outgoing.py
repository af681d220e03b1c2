"""A fact on its way out: what the meters hand to whoever publishes it. Plain data; the bytes are final."""

from __future__ import annotations

from typing import NamedTuple


class OutFact(NamedTuple):
    """One record of an aggregate topic. `key` is the fact's id; the partition follows from `workspace_id` (`events.partitioning`)."""

    topic: str
    key: bytes
    workspace_id: str
    value: bytes

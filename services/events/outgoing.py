"""A fact on its way out: what the meters hand to whoever publishes it. Plain data; the bytes are final."""

from __future__ import annotations

from msgspec import Struct


class OutFact(Struct, frozen=True, gc=False):
    """One record of an aggregate topic. `key` is the fact's id; the partition follows from `workspace_id` (`events.partitioning`).

    It holds no cycles, so the garbage collector need not look at it: when a log is closed there are tens of thousands of them at once.
    """

    topic: str
    key: bytes
    workspace_id: str
    value: bytes

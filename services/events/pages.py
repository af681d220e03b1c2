"""Which page holds whose state, and which batches partition holds which page (DESIGN §2). Fixed for good: changing these functions moves state."""

from __future__ import annotations

from zlib import crc32


def page_of(name: str, pages: int) -> int:
    """The page of a conversation or call by its `talk_key`, of agents by their workspace, of an alert by its workspace too (alerts have no state)."""
    return crc32(name.encode()) % pages


def partition_of(page: int, partitions: int) -> int:
    """The batches partition of a page."""
    return page % partitions

"""Which page holds whose state, and which batches partition holds which page (DESIGN §2). Fixed for good: changing these functions moves state."""

from __future__ import annotations

from zlib import crc32

from services.events.event import FIRST_AGENT, Event


def page_of(event: Event, pages: int) -> int:
    """The page of an event: of its workspace for agents, of (workspace, app, subject) for all else."""
    if event.kind >= FIRST_AGENT:
        return crc32(event.workspace_id.encode()) % pages
    return crc32(f"{event.workspace_id}\0{event.app_id}\0{event.subject}".encode()) % pages


def partition_of(page: int, partitions: int) -> int:
    """The batches partition of a page."""
    return page % partitions

"""What the meters find, before it has an id, a revision and a wire form. Plain tuples: equal content is equal tuples.

A meter's `records(watermark)` is a function of its set of events and the watermark alone; what is published is the difference between two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class SessionRecord(NamedTuple):
    """A billed session (U6-U13, V1, A1). `ident` makes the id (F1)."""

    ident: tuple[str | int, ...]
    workspace_id: str
    app_id: str
    type: str
    channel: str
    kore_user_id: str
    channel_user_id: str
    conversation_id: str
    conversation_start_ms: int
    start_ms: int
    end_ms: int
    bot_ms: int
    human_ms: int
    message_id: str
    rule: str


class EpisodeRecord(NamedTuple):
    """An episode of a conversation (C1)."""

    ident: tuple[str | int, ...]
    workspace_id: str
    app_id: str
    channel: str
    kore_user_id: str
    channel_user_id: str
    conversation_id: str
    start_ms: int
    end_ms: int | None
    end_reason: str
    sessions: int
    human_ms: int


class PeakRecord(NamedTuple):
    """The seats of one quarter in one scope (S3)."""

    ident: tuple[str | int, ...]
    workspace_id: str
    app_id: str
    quarter_ms: int
    peak: int
    peak_at_ms: int
    agents: int


class LoginRecord(NamedTuple):
    """One presence of an agent (S1)."""

    ident: tuple[str | int, ...]
    workspace_id: str
    login_id: str
    agent_id: str
    app_ids: tuple[str, ...]
    start_ms: int
    end_ms: int | None


class AssignmentRecord(NamedTuple):
    """One subscription of an agent to the plan of an app (S5)."""

    ident: tuple[str | int, ...]
    workspace_id: str
    app_id: str
    agent_id: str
    start_ms: int
    end_ms: int | None


Record = SessionRecord | EpisodeRecord | PeakRecord | LoginRecord | AssignmentRecord
Records = dict[tuple[str | int, ...], Record]
"""By `ident`, which is unique over all kinds."""

NONE_SHOWN: Mapping[tuple[str | int, ...], Record] = {}


class Change(NamedTuple):
    """A record to publish: new or changed content, or `void`: it is no longer true."""

    record: Record
    void: bool


def changes(before: Mapping[tuple[str | int, ...], Record], after: Mapping[tuple[str | int, ...], Record]) -> list[Change]:
    """What must be published when `before` was published and `after` is true (T3)."""
    found = [Change(record, void=False) for ident, record in after.items() if before.get(ident) != record]
    found += [Change(record, void=True) for ident, record in before.items() if ident not in after]
    return found

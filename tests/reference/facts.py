"""Facts as dicts: first `topic`, then the fields of F2 in order, without `revision`. Ids by F1."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from tests.reference.instants import instant_text

Fact = dict[str, object]

SESSIONS: Final = "usage.billing-sessions.v1"
EPISODES: Final = "usage.conversations.v1"
PEAKS: Final = "usage.seat-peaks.v1"
LOGINS: Final = "usage.agent-logins.v1"
ASSIGNMENTS: Final = "usage.agent-assignments.v1"
REJECTED: Final = "usage.rejected.v1"


def fact_id(*parts: str | int) -> str:
    """F1: the first 32 hex digits of SHA-256 over the compact JSON array."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def maybe_text(time_ms: int | None) -> str | None:
    """An instant's text; an empty instant is null."""
    return None if time_ms is None else instant_text(time_ms)


def session_fact(
    *,
    billing_session_id: str,
    workspace_id: str,
    app_id: str,
    kind: str,
    who: tuple[str, str, str],
    conversation_id: str,
    conversation_start_ms: int,
    start_ms: int,
    end_ms: int,
    bot_ms: int,
    message_id: str,
    rule: str,
) -> Fact:
    """One billing session; U12: what is not bot clock between start and end was with a human."""
    return {
        "topic": SESSIONS,
        "billing_session_id": billing_session_id,
        "status": "closed",
        "workspace_id": workspace_id,
        "app_id": app_id,
        "type": kind,
        "channel": who[0],
        "kore_user_id": who[1],
        "channel_user_id": who[2],
        "conversation_id": conversation_id,
        "conversation_start": instant_text(conversation_start_ms),
        "start": instant_text(start_ms),
        "end": instant_text(end_ms),
        "bot_ms": bot_ms,
        "human_ms": end_ms - start_ms - bot_ms,
        "message_id": message_id,
        "rule": rule,
    }

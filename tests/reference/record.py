"""One event as the rules see it, made from a CloudEvent dict. Rule: SPEC §3 says which fields a type has; all others are ignored.

Two events with the same content give equal records, so a `set` of records is the set E of SPEC §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tests.reference.instants import instant_ms

WHO: Final = ("channel", "kore_user_id", "channel_user_id")

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "conversation.started": (*WHO, "initiator"),
    "conversation.message": (*WHO, "sender", "message_id"),
    "conversation.transferred": ("channel",),
    "conversation.returned": ("channel",),
    "conversation.ended": ("channel", "reason"),
    "voice.started": (*WHO, "conversation_id"),
    "voice.progress": (*WHO, "conversation_id"),
    "voice.ended": (*WHO, "conversation_id"),
    "alert.delivered": (*WHO, "message_id"),
    "alert.failed": (*WHO, "message_id"),
    "agent.logged_in": ("agent_id", "app_ids"),
    "agent.logged_out": ("agent_id", "app_ids"),
    "agent.assigned": ("agent_id",),
    "agent.unassigned": ("agent_id",),
}
"""Type → its further data in the order of SPEC §3 (after `workspace_id` and `app_id`)."""


class Record(NamedTuple):
    """An accepted event. Texts that it does not have are empty."""

    type: str
    time_ms: int
    workspace_id: str
    app_id: str
    subject: str
    source: str
    id: str
    channel: str
    kore_user_id: str
    channel_user_id: str
    message_id: str
    agent_id: str
    app_ids: tuple[str, ...]
    """As sent; `app_id` alone gives a list of one."""
    word: str
    """Who started (`user`, `bot`), who sent (`user`, `bot`, `agent`), or why it ended (`user`, `bot`, `agent`, `idle`)."""


def record_of(event: Mapping[str, Any]) -> Record:
    """The record of an accepted CloudEvent; its time is `time_ms` when given, else `time`."""
    kind, data = event["type"], event["data"]
    has = FIELDS[kind]

    def text(name: str) -> str:
        return (data.get(name) or "") if name in has else ""

    time_ms = event["time_ms"] if "time_ms" in event else instant_ms(event["time"])
    assert time_ms is not None, "only accepted events have a record"
    app_id = data.get("app_id") or ""
    word = text("sender") or text("reason") or text("initiator") or ("user" if kind == "conversation.started" else "")
    return Record(
        type=kind,
        time_ms=time_ms,
        workspace_id=data["workspace_id"],
        app_id=app_id,
        subject=event["subject"],
        source=event["source"],
        id=event["id"],
        channel=text("channel"),
        kore_user_id=text("kore_user_id"),
        channel_user_id=text("channel_user_id"),
        message_id=text("message_id"),
        agent_id=text("agent_id"),
        app_ids=tuple((data.get("app_ids") or ([app_id] if app_id else [])) if "app_ids" in has else ()),
        word=word,
    )

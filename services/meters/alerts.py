"""The meter of alerts (SPEC A1, A2). Pure and without state: a delivered alert is a session, complete in itself."""

from __future__ import annotations

from services.events.event import Event
from services.meters.records import SessionRecord


def alert_session(event: Event) -> SessionRecord:
    """The session of an `alert.delivered`."""
    at = event.time_ms
    return SessionRecord(
        ("alert", event.source, event.id), event.workspace_id, event.app_id, "alert", event.channel, event.kore_user_id, event.channel_user_id,
        "", at, at, at, 0, 0, event.message_id, "A1",
    )  # fmt: skip

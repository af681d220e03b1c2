"""Alert sessions (A1, A2): each delivered alert is one, of no length, published at once."""

from __future__ import annotations

from collections.abc import Iterable

from tests.reference.facts import Fact, fact_id, session_fact
from tests.reference.record import Record


def alert_facts(events: Iterable[Record]) -> list[Fact]:
    """One fact for each different `alert.delivered`; `alert.failed` is not billed."""
    return [
        session_fact(
            billing_session_id=fact_id("alert", event.source, event.id),
            workspace_id=event.workspace_id,
            app_id=event.app_id,
            kind="alert",
            who=(event.channel, event.kore_user_id, event.channel_user_id),
            conversation_id="",
            conversation_start_ms=event.time_ms,
            start_ms=event.time_ms,
            end_ms=event.time_ms,
            bot_ms=0,
            message_id=event.message_id,
            rule="A1",
        )
        for event in sorted(set(events))
        if event.type == "alert.delivered"
    ]

"""Every topic of the product, by name and kind (SPEC §3, §7; DESIGN §1). The one list that creates, reads and writes topics."""

from __future__ import annotations

from typing import Final

CONVERSATIONS: Final = "platform.conversations"
VOICE: Final = "platform.voice"
ALERTS: Final = "platform.alerts"
AGENTS: Final = "platform.agents"
RAW_TOPICS: Final = (CONVERSATIONS, VOICE, ALERTS, AGENTS)
"""Events in. The order is part of the batches format: a raw partition is named by (index here, partition)."""

BATCHES: Final = "metering.batches.v1"

SESSIONS: Final = "usage.billing-sessions.v1"
EPISODES: Final = "usage.conversations.v1"
PEAKS: Final = "usage.seat-peaks.v1"
LOGINS: Final = "usage.agent-logins.v1"
ASSIGNMENTS: Final = "usage.agent-assignments.v1"
REJECTED: Final = "usage.rejected.v1"
LEDGER: Final = "usage.ledger.v1"
FACT_TOPICS: Final = (SESSIONS, EPISODES, PEAKS, LOGINS, ASSIGNMENTS, REJECTED, LEDGER)
"""Facts out: key = the fact's id, partition by workspace, compacted."""

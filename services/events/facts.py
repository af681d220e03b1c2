"""The facts that we publish (SPEC §7, schemas/README F1-F3): what the aggregate topics carry and ClickHouse stores.

The models are the published contract; field order is the order in JSON. Instants here are RFC 3339 texts in UTC with milliseconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.events import topics

Instant = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", description="RFC 3339, UTC, milliseconds.")]
FactId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="schemas/README F1.")]
Count = Annotated[int, Field(ge=0)]


class Fact(BaseModel):
    """What every fact has. Consumers keep the highest `revision` of an id and drop it when its status is `void`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BillingSession(Fact):
    """One billed session (U6-U10, V1, A1)."""

    billing_session_id: FactId
    revision: Count
    status: Literal["closed", "void"]
    workspace_id: str
    app_id: str
    type: Literal["usage", "voice", "alert"]
    channel: str
    kore_user_id: str
    channel_user_id: str
    conversation_id: str
    conversation_start: Instant
    start: Instant
    end: Instant
    bot_ms: Count
    human_ms: Count
    message_id: str
    rule: Literal["U7:full", "U7:ended", "U7:stopped", "V1:full", "V1:ended", "A1"]


class ConversationEpisode(Fact):
    """One episode of a conversation (U3, C1)."""

    conversation_episode_id: FactId
    revision: Count
    status: Literal["closed", "void"]
    workspace_id: str
    app_id: str
    channel: str
    kore_user_id: str
    channel_user_id: str
    conversation_id: str
    start: Instant
    end: Instant | None
    end_reason: Literal["", "user", "bot", "agent", "idle", "silence"]
    sessions: Annotated[int, Field(ge=1)]
    human_ms: Count


class SeatPeak(Fact):
    """The concurrent peak of one quarter in one scope (S3); `app_id` is empty for the whole workspace."""

    seat_peak_id: FactId
    revision: Count
    status: Literal["closed", "void"]
    workspace_id: str
    app_id: str
    quarter: Instant
    peak: Annotated[int, Field(ge=1)]
    peak_at: Instant
    agents: Annotated[int, Field(ge=1)]


class AgentLogin(Fact):
    """One presence of one agent (S1); `end` is null while it is open."""

    agent_login_id: FactId
    revision: Count
    status: Literal["closed", "void"]
    workspace_id: str
    login_id: str
    agent_id: str
    app_ids: list[str]
    start: Instant
    end: Instant | None


class AgentAssignment(Fact):
    """One subscription of an agent to the plan of an app (S5); `end` is null while it lasts."""

    agent_assignment_id: FactId
    revision: Count
    status: Literal["closed", "void"]
    workspace_id: str
    app_id: str
    agent_id: str
    start: Instant
    end: Instant | None


class RejectedEvent(Fact):
    """A refused record with its origin (SPEC §3). The id is `topic/partition/offset`."""

    rejected_id: str
    revision: Count
    status: Literal["closed", "void"]
    workspace_id: str
    source_topic: str
    source_partition: Count
    source_offset: Count
    log_time: Instant
    reason: Literal["malformed_json", "invalid_event", "unknown_type", "too_large", "future", "too_late"]
    field: str
    detail: str
    size_bytes: Count
    payload_base64: str


class LedgerLine(Fact):
    """What became of the records of one source partition (SPEC §7). Counts are totals of the offsets [from_offset, to_offset).

    `ingest` lines: read = accepted + sum(rejected); control records are counted apart; `batches_partition` is -1.
    `processor` lines, one for each batches partition: accepted = applied + covered (events that arrived again in another cut).
    """

    ledger_id: str
    revision: Count
    status: Literal["closed", "void"]
    workspace_id: Literal[""]
    stage: Literal["ingest", "processor"]
    source_topic: str
    source_partition: Count
    batches_partition: Annotated[int, Field(ge=-1)]
    from_offset: Count
    to_offset: Count
    read: Count
    accepted: Count
    control: Count
    rejected: dict[str, int]
    applied: Count
    covered: Count
    watermark: Instant | None


FACT_MODELS: dict[str, type[Fact]] = {
    topics.SESSIONS: BillingSession,
    topics.EPISODES: ConversationEpisode,
    topics.PEAKS: SeatPeak,
    topics.LOGINS: AgentLogin,
    topics.ASSIGNMENTS: AgentAssignment,
    topics.REJECTED: RejectedEvent,
    topics.LEDGER: LedgerLine,
}
"""Topic → the model of its records."""

FACT_ID_FIELDS: dict[str, str] = {topic: next(iter(model.model_fields)) for topic, model in FACT_MODELS.items()}
"""Topic → the name of the id field (the first one), which is also the record's key."""

"""What the API gives. The OpenAPI description is made from these; handlers that give many rows build the same shapes as plain data.

Instants in answers are ISO 8601 with milliseconds in the zone that was asked for, with its offset at that instant.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.accounts.scopes import KeyScope
from services.query.freshness import BucketState, Liveness
from services.query.periods import Interval, RangeName
from services.query.trend_statements import GroupBy

LocalInstant = Annotated[str, Field(examples=["2026-01-31T13:45:00.000+05:30"])]
Count = Annotated[int, Field(ge=0)]


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RangeEcho(Answer):
    """The range as it was understood, half open."""

    from_: LocalInstant = Field(alias="from", description="First instant.")
    to: LocalInstant = Field(description="First instant that is no longer in it.")
    timezone: str
    range: RangeName | None = Field(description="The named range that was asked for or defaulted to; null: from and to were given.")


class TrendRange(RangeEcho):
    interval: Interval


class Counts(Answer):
    """A session and a conversation count where they start (T5). Seats are null where they do not apply: by channel and by type."""

    sessions: Count = Field(description="billing_sessions + voice_sessions + alert_sessions.")
    billing_sessions: Count = Field(description="Completed usage sessions.")
    voice_sessions: Count
    alert_sessions: Count
    conversations: Count = Field(description="Episodes of conversations (U3) with at least one session.")
    concurrent_seats: Count | None = Field(description="Most agents logged in at one instant (S3, S4).")
    peak_at: LocalInstant | None = Field(description="The earliest such instant; null without a login.")
    named_seats: Count | None = Field(description="Agents assigned or logged in at any instant (S4).")
    agent_count: Count | None = Field(description="Agents assigned at any instant (S5).")


class TrendBucket(Counts):
    """One period, half open."""

    start: LocalInstant
    end: LocalInstant = Field(description="Not included.")
    state: BucketState = Field(
        description="`closed`: over at `as_of`, only late events can change it. `open`: it holds `as_of`, its numbers will grow. "
        "`ahead`: it begins after `as_of`. `no_data`: before `data_since`; its zeros mean that nothing is known."
    )


class TrendGroup(Answer):
    key: str = Field(description="The app, channel or type.")
    totals: Counts
    buckets: list[Counts] = Field(description="One for each of the buckets, in their order.")


class TrendPart(Answer):
    range: TrendRange
    totals: Counts = Field(
        description="Of the whole range. Sessions are sums; concurrent_seats is the largest peak; named_seats and agent_count count an agent once."
    )
    buckets: list[TrendBucket] = Field(description="All of the range, in order.")
    groups: list[TrendGroup] = Field(description="By `group_by`, in the order of their keys; empty without it.")


class Trends(TrendPart):
    workspace_id: str
    app_ids: list[str] = Field(description="The apps counted together; empty: all of the workspace.")
    channels: list[str] = Field(description="The channels that were asked for; empty: all.")
    types: list[str] = Field(description="The types that were asked for; empty: all.")
    as_of: LocalInstant | None = Field(description="The watermark: everything before it is metered. null: nothing was metered yet.")
    data_since: LocalInstant | None = Field(description="The first fact of the scope; null: there is none.")
    group_by: GroupBy | None
    agent_count_is: Literal["assigned", "named_seats"] | None = Field(description="`named_seats`: the scope never had an assignment (S5).")
    previous: TrendPart | None = Field(description="The period before, with `compare=previous`. Months differ in their number of buckets.")


class App(Answer):
    app_id: str
    name: str = Field(description="As people call it; empty: it has no other name.")
    channels: list[str]
    sessions: Count = Field(description="All sessions, of every type, that were ever billed.")
    first: LocalInstant | None = Field(description="The quarter in which its first session starts; null: it has none.")
    last: LocalInstant | None = Field(description="The quarter in which its last one starts.")


class Apps(Answer):
    workspace_id: str
    as_of: LocalInstant | None
    apps: list[App] = Field(description="Every app that the key may see and that has a session, a login, an assignment or a name; by id.")


class Freshness(Answer):
    workspace_id: str
    state: Liveness = Field(description="`live`: metered up to the last five minutes; `late`: behind; `nothing`: nothing was metered yet.")
    now: LocalInstant = Field(description="Of the service.")
    as_of: LocalInstant | None = Field(description="The watermark: everything before it is metered.")
    lag_ms: int | None = Field(description="now - as_of.")
    data_since: LocalInstant | None = Field(description="The first fact of the scope; null: there is none.")
    open_conversations: Count = Field(description="Conversations that have a session and no end yet: their next sessions are not billed yet.")
    agents_logged_in: Count


class Session(Answer):
    """A billed session: the fact's fields, and the end of its conversation."""

    billing_session_id: str
    revision: Count
    type: Literal["usage", "voice", "alert"]
    app_id: str
    channel: str
    kore_user_id: str
    channel_user_id: str
    conversation_id: str
    conversation_start: LocalInstant
    conversation_end: LocalInstant | None = Field(description="null while it is open, and where the call's end is not known.")
    start: LocalInstant
    end: LocalInstant
    bot_ms: Count
    human_ms: Count
    message_id: str
    rule: str


class Explanation(Answer):
    """Why a session is, and ends where it ends."""

    rule: str = Field(description="schemas/README U13.")
    text: str = Field(description="The rule for people.")
    number: Count = Field(description="It is this one of its conversation's sessions, from 1.")
    of: Count = Field(description="Sessions of the conversation so far.")
    clock_from_ms: Count = Field(description="Where the bot clock stood at its start (U2); of a call the time since its start.")
    clock_to_ms: Count = Field(description="Where the clock stood at its end. The time with a human agent in between is `human_ms`.")


class Conversation(Answer):
    """An episode of a conversation (U3, C1)."""

    conversation_episode_id: str
    revision: Count
    app_id: str
    channel: str
    kore_user_id: str
    channel_user_id: str
    conversation_id: str
    start: LocalInstant
    end: LocalInstant | None = Field(description="null while it is open.")
    end_reason: str = Field(description="user, bot, agent, idle or silence; empty while it is open.")
    sessions: Count
    human_ms: Count


class OneSession(Session):
    """A session with what explains it."""

    explanation: Explanation
    conversation: Conversation | None = Field(description="null for calls and alerts.")
    sessions: list[Session] = Field(description="All sessions of its conversation or call in order, itself too; none for an alert.")


class ConversationPage(Answer):
    workspace_id: str
    app_ids: list[str]
    as_of: LocalInstant | None
    range: RangeEcho
    conversations: list[Conversation]
    next_cursor: str | None = Field(description="Ask again with it for the next page; null: this was the last.")


class Rejected(Answer):
    """A refused event (schemas/README E4)."""

    rejected_id: str = Field(description="topic/partition/offset of the record.")
    log_time: LocalInstant
    reason: str
    field: str = Field(description="The first wrong field of an invalid_event; else empty.")
    detail: str
    size_bytes: Count
    payload_base64: str = Field(description="The first 4 KiB.")


class RejectedPage(Answer):
    workspace_id: str
    as_of: LocalInstant | None
    range: RangeEcho
    rejected: list[Rejected]
    next_cursor: str | None = Field(description="Ask again with it for the next page; null: this was the last.")


class Login(Answer):
    login_id: str
    app_ids: list[str]
    start: LocalInstant
    end: LocalInstant | None = Field(description="null: it has not ended.")


class Agent(Answer):
    """Each agent once (S2)."""

    agent_id: str
    app_ids: list[str] = Field(description="The apps that the agent served then, of all logins at that instant.")
    since: LocalInstant = Field(description="Start of the first of these logins.")
    until: LocalInstant | None = Field(description="End of the last of them; null while one is open.")
    logins: list[Login] = Field(description="Those that hold the instant, by start.")


class Agents(Answer):
    """The agents logged in at one instant: who the peak was."""

    workspace_id: str
    app_ids: list[str]
    as_of: LocalInstant | None
    at: LocalInstant | None = Field(description="null: nobody was logged in at any instant of the range.")
    agents: list[Agent] = Field(description="By id; each occupies one concurrent seat (S2).")


class Manifest(Answer):
    """What a whole export holds."""

    export_id: str
    state: Literal["running", "complete", "broken"] = Field(description="`broken`: the file is not whole, whatever arrived.")
    file_name: str
    workspace_id: str
    app_ids: list[str]
    filters: dict[str, list[str]]
    range: RangeEcho
    as_of: LocalInstant | None
    rows_expected: Count = Field(description="From the counts when it began, without filters by user or conversation: for progress.")
    rows: Count | None = Field(description="Records below the line of titles.")
    bytes: Count | None
    sha256: str | None = Field(description="Of all bytes, hexadecimal; of a complete export.")
    created_at: LocalInstant


class Key(Answer):
    """A key without its secret. Instants are in UTC."""

    prefix: str = Field(description="Names it, in lists and logs.")
    last_four: str = Field(description="The end of its secret, to tell keys apart.")
    name: str
    scopes: list[KeyScope]
    app_ids: list[str] = Field(description="The apps that it may see; empty: all of the workspace.")
    state: Literal["live", "expired", "revoked"]
    is_of_a_person: bool = Field(description="It never may more than its person.")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    replaced_by: str | None = Field(description="The prefix of the key that takes its place.")


class NewKey(Key):
    key: str = Field(description="The key itself: keep it, it cannot be shown again.", examples=["qh_3f9a1c0b7d2e_…"])


class Keys(Answer):
    workspace_id: str
    keys: list[Key] = Field(description="Oldest first.")


class SessionPage(Answer):
    workspace_id: str
    app_ids: list[str]
    as_of: LocalInstant | None
    range: RangeEcho
    sessions: list[Session]
    next_cursor: str | None = Field(description="Ask again with it for the next page; null: this was the last.")


class ScopeSeats(Answer):
    """The seats of one scope in the range."""

    scope: Literal["workspace", "apps", "app"]
    app_id: str | None = Field(description="The app; null for several apps together.")
    concurrent_seats: Count
    peak_at: LocalInstant | None
    named_seats: Count
    agent_count: Count
    agent_count_is: Literal["assigned", "named_seats"]


class Seats(Answer):
    workspace_id: str
    app_ids: list[str]
    as_of: LocalInstant | None
    range: RangeEcho
    together: ScopeSeats = Field(description="All apps of the question together; never the sum of the apps (S2).")
    apps: list[ScopeSeats] = Field(description="Every app that has a seat in the range, by id.")


class Health(Answer):
    ready: bool
    checks: dict[str, bool]

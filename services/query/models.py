"""What the API takes and gives: parameters (unknown ones are refused) and answers. The OpenAPI description is made from these.

Instants in answers are ISO 8601 with milliseconds in the zone that was asked for, with its offset at that instant.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.query.periods import Interval, RangeName

AppId = Annotated[str, Field(min_length=1, max_length=128)]
LocalInstant = Annotated[str, Field(examples=["2026-01-31T13:45:00.000+05:30"])]
Count = Annotated[int, Field(ge=0)]

APPS_MAX = 100
PAGE_SESSIONS_MAX = 1000


class RangeParameters(BaseModel):
    """Whose numbers and of when. The workspace is that of the API key."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    app_id: list[AppId] = Field(
        default_factory=list, max_length=APPS_MAX, description="Only these apps, together; may be repeated. Default: all apps that the key may see."
    )
    range: RangeName | None = Field(None, description="A range that ends with the current period of the zone. Default 1w, unless from and to are given.")
    from_: str | None = Field(None, alias="from", max_length=64, description="Start: RFC 3339 instant, or date in the zone.")
    to: str | None = Field(None, max_length=64, description="End, not included: RFC 3339 instant, or date in the zone.")
    timezone: str = Field("UTC", max_length=64, description="IANA time zone of the periods and of all instants in the answer.")


class TrendParameters(RangeParameters):
    interval: Interval | None = Field(None, description="Default: hour for 24h, month for ranges of months, else day.")


class SeatParameters(RangeParameters):
    """Nothing more: the seats are those of the range as a whole."""


class SessionParameters(RangeParameters):
    type: list[Literal["usage", "voice", "alert"]] = Field(default_factory=list, max_length=3, description="Only sessions of these types.")
    channel: list[AppId] = Field(default_factory=list, max_length=APPS_MAX, description="Only sessions of these channels.")
    conversation_id: list[Annotated[str, Field(min_length=1, max_length=256)]] = Field(
        default_factory=list, max_length=APPS_MAX, description="Only sessions of these conversations or calls."
    )


class PageParameters(SessionParameters):
    order: Literal["asc", "desc"] = Field("asc", description="By start, then id.")
    limit: int = Field(100, ge=1, le=PAGE_SESSIONS_MAX, description="Most sessions of the page.")
    cursor: str | None = Field(None, max_length=512, description="`next_cursor` of the page before, asked with the same parameters.")


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


class TrendBucket(Answer):
    """One period. A session and a conversation count where they start (T5)."""

    start: LocalInstant
    end: LocalInstant = Field(description="Not included.")
    open: bool = Field(description="The period has not ended: its numbers will grow.")
    billing_sessions: Count = Field(description="Completed usage sessions.")
    voice_sessions: Count
    alert_sessions: Count
    conversations: Count = Field(description="Episodes of conversations (U3) with at least one session.")
    concurrent_seats: Count = Field(description="Most agents logged in at one instant (S3, S4).")
    peak_at: LocalInstant | None = Field(description="The earliest such instant; null without a login.")
    named_seats: Count = Field(description="Agents assigned or logged in at any instant (S4).")
    agent_count: Count = Field(description="Agents assigned at any instant (S5).")


class Trends(Answer):
    workspace_id: str
    app_ids: list[str] = Field(description="The apps counted together; empty: all of the workspace.")
    as_of: LocalInstant = Field(description="The instant at which this was computed.")
    range: TrendRange
    agent_count_is: Literal["assigned", "named_seats"] = Field(description="`named_seats`: the scope never had an assignment (S5).")
    buckets: list[TrendBucket]


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


class SessionPage(Answer):
    workspace_id: str
    app_ids: list[str]
    as_of: LocalInstant
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
    as_of: LocalInstant
    range: RangeEcho
    together: ScopeSeats = Field(description="All apps of the question together; never the sum of the apps (S2).")
    apps: list[ScopeSeats] = Field(description="Every app that has a seat in the range, by id.")


class Health(Answer):
    ready: bool
    checks: dict[str, bool]

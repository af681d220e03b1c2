"""What the API takes: parameters, unknown ones are refused. The OpenAPI description is made from these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.accounts.scopes import DEFAULT_SCOPES, KEY_SCOPES, KeyScope
from services.query.periods import Interval, RangeName
from services.query.trend_statements import GroupBy, SessionType

AppId = Annotated[str, Field(min_length=1, max_length=128)]
Format = Literal["json", "csv"]

_AS_FILE = "`csv`, or Accept: text/csv: the whole range as one file with a manifest; order, limit and cursor do not apply."

_NO_NUL = "^[^\\x00]*$"
"""PostgreSQL keeps any other character."""
APPS_MAX = 100
PAGE_ROWS_MAX = 1000


class ZoneParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    timezone: str = Field("UTC", max_length=64, description="IANA time zone of the periods and of all instants in the answer.")


class NoParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeyRequest(BaseModel):
    """What a new key is to be."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=200, pattern=_NO_NUL, description="What the key is for.")
    scopes: list[KeyScope] = Field(default_factory=lambda: list(DEFAULT_SCOPES), min_length=1, max_length=len(KEY_SCOPES), description="What it may do.")
    app_ids: list[Annotated[AppId, Field(pattern=_NO_NUL)]] = Field(
        default_factory=list, max_length=APPS_MAX, description="Only these apps. Default: all that the asking key may see."
    )
    expires_in_days: int | None = Field(None, ge=1, le=3650, description="Default: it is good until it is revoked.")


class RotateRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(24, ge=0, le=30 * 24, description="How long the old key is still good.")


class FreshnessParameters(ZoneParameters):
    app_id: list[AppId] = Field(
        default_factory=list, max_length=APPS_MAX, description="Only these apps; may be repeated. Default: all apps that the key may see."
    )


class RangeParameters(ZoneParameters):
    """Whose numbers and of when. The workspace is that of the API key."""

    app_id: list[AppId] = Field(
        default_factory=list, max_length=APPS_MAX, description="Only these apps, together; may be repeated. Default: all apps that the key may see."
    )
    range: RangeName | None = Field(None, description="A range that ends with the current period of the zone. Default 1w, unless from and to are given.")
    from_: str | None = Field(None, alias="from", max_length=64, description="Start: RFC 3339 instant, or date in the zone.")
    to: str | None = Field(None, max_length=64, description="End, not included: RFC 3339 instant, or date in the zone.")


class TrendParameters(RangeParameters):
    interval: Interval | None = Field(None, description="Default: hour for 24h, month for ranges of months, else day.")
    channel: list[AppId] = Field(
        default_factory=list, max_length=APPS_MAX, description="Only these channels; seats are then not told, for agents have no channel."
    )
    type: list[SessionType] = Field(default_factory=list, max_length=3, description="Only sessions of these types; seats are then not told.")
    group_by: GroupBy | None = Field(None, description="Also apart by app, by channel or by type. All together is always told.")
    compare: Literal["previous"] | None = Field(None, description="`previous`: also the period before, which ends where this one begins.")
    format: Format | None = Field(None, description="Default: what the Accept header prefers, else json.")


class SeatParameters(RangeParameters):
    """Nothing more: the seats are those of the range as a whole."""


UserId = Annotated[str, Field(min_length=1, max_length=256)]


class ConversationFilters(RangeParameters):
    channel: list[AppId] = Field(default_factory=list, max_length=APPS_MAX, description="Only these channels.")
    conversation_id: list[UserId] = Field(default_factory=list, max_length=APPS_MAX, description="Only these conversations or calls.")
    kore_user_id: list[UserId] = Field(default_factory=list, max_length=APPS_MAX, description="Only users with these ids of the platform.")
    channel_user_id: list[UserId] = Field(default_factory=list, max_length=APPS_MAX, description="Only users with these ids of the channel.")


class SessionParameters(ConversationFilters):
    type: list[SessionType] = Field(default_factory=list, max_length=3, description="Only sessions of these types.")


class Paging(BaseModel):
    order: Literal["asc", "desc"] = Field("asc", description="By start, then id.")
    limit: int = Field(100, ge=1, le=PAGE_ROWS_MAX, description="Most rows of the page.")
    cursor: str | None = Field(None, max_length=512, description="`next_cursor` of the page before, asked with the same parameters.")


class PageParameters(SessionParameters, Paging):
    format: Format | None = Field(None, description=_AS_FILE)


class ConversationParameters(ConversationFilters, Paging):
    open: bool | None = Field(None, description="true: only those that have not ended; false: only those that have.")
    format: Format | None = Field(None, description=_AS_FILE)


class RejectedParameters(ZoneParameters, Paging):
    range: RangeName | None = Field(None, description="As everywhere; the log time of the record counts.")
    from_: str | None = Field(None, alias="from", max_length=64, description="Start: RFC 3339 instant, or date in the zone.")
    to: str | None = Field(None, max_length=64, description="End, not included: RFC 3339 instant, or date in the zone.")
    reason: list[Annotated[str, Field(min_length=1, max_length=32)]] = Field(default_factory=list, max_length=10, description="Only refused for these reasons.")
    format: Format | None = Field(None, description=_AS_FILE)


class AgentParameters(RangeParameters):
    at: str = Field("peak", max_length=64, description="An RFC 3339 instant; `peak`: the instant of the range at which most agents were logged in.")
    format: Format | None = Field(None, description="Default: what the Accept header prefers, else json.")

"""The published contract of the events in (SPEC §3, schemas/README E1-E8): CloudEvents 1.0, JSON structured mode.

One model for each type: the readable twin of `services.events.decode`, the source of the JSON Schemas, and the judge of what is refused.
The order of the fields is the order in which they are checked (E4). Unknown fields are ignored; null is accepted where E1 says so, and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from services.events.times import parse_ms


def _must_be_a_time(text: str) -> str:
    parse_ms(text)
    return text


_TIME_PATTERN: Final = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)

ShortId = Annotated[str, Field(min_length=1, max_length=128)]
LongId = Annotated[str, Field(min_length=1, max_length=256)]
OptionalId = Annotated[str, Field(max_length=256)]
Time = Annotated[str, AfterValidator(_must_be_a_time), Field(json_schema_extra={"pattern": _TIME_PATTERN})]

_CHANNEL: Final = "The channel the user is on, as the platform names it."
_MESSAGE: Final = "Message id. A session shows its earliest one of the user (U10)."


class Record(BaseModel):
    """What every record of a raw topic has."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    specversion: Literal["1.0"] = Field(description="The version of CloudEvents.")
    id: LongId = Field(description="With `source` it names the event for ever: the same pair with the same content again is a duplicate and changes nothing.")
    source: Annotated[str, Field(min_length=1, max_length=512)] = Field(description="Who says so. Unique together with `id`.")
    type: str
    time: Time = Field(
        description="When it happened: RFC 3339 with any offset; digits beyond the millisecond are cut, a leap second is refused (E3). "
        "More than 5 minutes ahead of the record's log time it is refused as `future`, more than 24 hours older as `too_late` (E4, T4)."
    )


class Data(BaseModel):
    """What the event says."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    workspace_id: ShortId = Field(description="The tenant.")


class AppData(Data):
    """What the event says, of one app."""

    app_id: ShortId = Field(description="The app (bot) of the workspace.")


class ChannelData(AppData):
    """What the event says, of one app on one channel."""

    channel: ShortId = Field(description=_CHANNEL)


class UserData(ChannelData):
    """What the event says, with the user where the platform knows one."""

    kore_user_id: OptionalId | None = Field(None, description="The platform's id of the user; null, absent and empty are one (E1). Shown by U11.")
    channel_user_id: OptionalId | None = Field(None, description="The channel's id of the user; null, absent and empty are one (E1). Shown by U11.")


class StartedData(UserData):
    """Of `conversation.started`."""

    initiator: Literal["user", "bot"] = Field("user", description="Who began. Only what the user begins is a sign of the user (SPEC §4).")


class MessageData(UserData):
    """Of `conversation.message`."""

    sender: Literal["user", "bot", "agent"] = Field(description="Who wrote. Only the user's messages are signs of the user (U3).")
    message_id: LongId = Field(description=_MESSAGE)


class EndedData(ChannelData):
    """Of `conversation.ended`."""

    reason: Literal["user", "bot", "agent", "idle"] = Field(description="Who ended it. An idle end does not shorten a session (U5, U7).")


class VoiceData(UserData):
    """Of the voice events."""

    conversation_id: OptionalId | None = Field(None, description="The conversation of the call, where there is one. Not metered: the call is (V1).")


class AlertData(UserData):
    """Of the alert events."""

    message_id: OptionalId | None = Field(None, description="The message that carried the alert; shown with its session (A1).")


class LoginData(Data):
    """Of `agent.logged_in` and `agent.logged_out`: `app_ids` or, where it is absent or empty, `app_id` (E6)."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["app_id"]}, {"required": ["app_ids"], "properties": {"app_ids": {"minItems": 1}}}]},
    )

    app_id: ShortId = Field(default_factory=str, description="The app served, where only one is; `app_ids` wins over it (S1).")
    agent_id: ShortId = Field(description="The agent.")
    app_ids: Annotated[list[ShortId], Field(max_length=256)] = Field(
        default_factory=list, validate_default=True, description="The apps served. A repeated one counts once. Empty or absent: `app_id` is required (E6)."
    )

    @field_validator("app_ids")
    @classmethod
    def _need_an_app(cls, app_ids: list[str], info: ValidationInfo) -> list[str]:
        if not app_ids and not info.data.get("app_id"):
            raise ValueError("needs at least one app, or app_id (E6)")
        return app_ids


class AssignmentData(AppData):
    """Of `agent.assigned` and `agent.unassigned`."""

    agent_id: ShortId = Field(
        description="The agent subscribed, or no longer subscribed, to the plan of the app (S5). The subject may differ; this one counts (E6)."
    )


class PlatformEvent(Record):
    """An event of the platform: a record with a subject and data."""

    subject: LongId
    data: Data


class ConversationEvent(PlatformEvent):
    """An event of one conversation of one user with one app, on `platform.conversations`."""

    subject: LongId = Field(description="The platform's id of the conversation.")


class ConversationStarted(ConversationEvent):
    """A conversation began. With initiator `user` it is a sign of the user (U3, U4)."""

    type: Literal["conversation.started"]
    data: StartedData


class ConversationMessage(ConversationEvent):
    """Somebody wrote. A message of the user is a sign of the user (U3, U4, U10)."""

    type: Literal["conversation.message"]
    data: MessageData


class ConversationTransferred(ConversationEvent):
    """The conversation went to a human agent: the bot clock stands still from here (U1, U2)."""

    type: Literal["conversation.transferred"]
    data: ChannelData


class ConversationReturned(ConversationEvent):
    """The conversation came back to the bot: the bot clock goes on (U1, U2)."""

    type: Literal["conversation.returned"]
    data: ChannelData


class ConversationEnded(ConversationEvent):
    """The conversation ended (U3, U5)."""

    type: Literal["conversation.ended"]
    data: EndedData


class VoiceEvent(PlatformEvent):
    """An event of one call, on `platform.voice`."""

    subject: LongId = Field(description="The id of the call.")
    data: VoiceData


class VoiceStarted(VoiceEvent):
    """A call began (V1)."""

    type: Literal["voice.started"]


class VoiceProgress(VoiceEvent):
    """A call goes on (V1)."""

    type: Literal["voice.progress"]


class VoiceEnded(VoiceEvent):
    """A call ended (V1)."""

    type: Literal["voice.ended"]


class AlertEvent(PlatformEvent):
    """An event of one alert, on `platform.alerts`."""

    subject: LongId = Field(description="The id of the alert.")
    data: AlertData


class AlertDelivered(AlertEvent):
    """An alert reached the user: one alert session (A1)."""

    type: Literal["alert.delivered"]


class AlertFailed(AlertEvent):
    """An alert did not reach the user: counted, not billed (A1)."""

    type: Literal["alert.failed"]


class LoginEvent(PlatformEvent):
    """An event of one presence of one agent on one device, on `platform.agents`."""

    subject: LongId = Field(description="The id of the login.")
    data: LoginData


class AgentLoggedIn(LoginEvent):
    """An agent logged in (S1)."""

    type: Literal["agent.logged_in"]


class AgentLoggedOut(LoginEvent):
    """An agent logged out; agent and apps must be there (E6) and are otherwise ignored (S1)."""

    type: Literal["agent.logged_out"]


class AssignmentEvent(PlatformEvent):
    """An event of one agent's subscription to the plan of an app, on `platform.agents`."""

    subject: LongId = Field(description="The id of the agent.")
    data: AssignmentData


class AgentAssigned(AssignmentEvent):
    """An agent was subscribed to the plan of an app (S5)."""

    type: Literal["agent.assigned"]


class AgentUnassigned(AssignmentEvent):
    """An agent is no longer subscribed to the plan of an app (S5)."""

    type: Literal["agent.unassigned"]


class LogClosed(Record):
    """The control record of `wait --close` (T2, E8): nothing older than `time` will come. It is no event, and never too late or too early."""

    source: Literal["quarterhour"]
    type: Literal["log.closed"]


_MODELS: Final[tuple[type[Record], ...]] = (
    ConversationStarted, ConversationMessage, ConversationTransferred, ConversationReturned, ConversationEnded,
    VoiceStarted, VoiceProgress, VoiceEnded, AlertDelivered, AlertFailed,
    AgentLoggedIn, AgentLoggedOut, AgentAssigned, AgentUnassigned, LogClosed,
)  # fmt: skip

EVENT_MODELS: Final[dict[str, type[Record]]] = {model.model_fields["type"].annotation.__args__[0]: model for model in _MODELS}  # type: ignore[union-attr]
"""Type → the model of its records."""

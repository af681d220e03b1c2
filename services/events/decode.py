"""From the bytes of a record to an `Event`, or to the `Refusal` that says why it is none (SPEC §3, schemas/README E1-E8).

The fast way: typed decoding that reads only the fields that matter. It may accept (and refuse by time) on its own; for everything else it hands
over to `decode_slow`, the readable twin, so that there is one judge of what is wrong. A test compares both over thousands of mutations.

What `msgspec` does not check in the fields it skips is checked here: UTF-8, and depth (its own limit depends on the call stack).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Struct

from services.events.event import Accepted, Event, Kind, Refusal, TalkEvent
from services.events.explain import AHEAD_MS_MAX, EVENT_BYTES_MAX, LATENESS_MS, decode_slow, out_of_time
from services.events.keys import NOBODY, USAGE, VOICE, talk_key, who_text
from services.events.strict_json import is_too_deep
from services.events.times import parse_ms

_ShortId = Annotated[str, Meta(min_length=1, max_length=128)]
_LongId = Annotated[str, Meta(min_length=1, max_length=256)]
_OptionalId = Annotated[str, Meta(max_length=256)] | None
_Source = Annotated[str, Meta(min_length=1, max_length=512)]

_BY_USER: Final = Kind.MESSAGE_BY_USER
_MESSAGE: Final = {"bot": Kind.MESSAGE_BY_BOT, "agent": Kind.MESSAGE_BY_AGENT}
_ENDED: Final = {"user": Kind.ENDED_BY_USER, "bot": Kind.ENDED_BY_BOT, "agent": Kind.ENDED_BY_AGENT, "idle": Kind.ENDED_IDLE}


class _Channel(Struct, gc=False):
    workspace_id: _ShortId
    app_id: _ShortId
    channel: _ShortId


class _User(_Channel, kw_only=True, gc=False):
    kore_user_id: _OptionalId = None
    channel_user_id: _OptionalId = None


class _StartedData(_User, kw_only=True, gc=False):
    initiator: Literal["user", "bot"] = "user"


class _MessageData(_User, kw_only=True, gc=False):
    sender: Literal["user", "bot", "agent"]
    message_id: _LongId


class _EndedData(_Channel, gc=False):
    reason: Literal["user", "bot", "agent", "idle"]


class _VoiceData(_User, kw_only=True, gc=False):
    conversation_id: _OptionalId = None


class _AlertData(_User, kw_only=True, gc=False):
    message_id: _OptionalId = None


class _LoginData(Struct, gc=False):
    workspace_id: _ShortId
    agent_id: _ShortId
    app_id: _ShortId = ""
    app_ids: Annotated[tuple[_ShortId, ...], Meta(max_length=256)] = ()


class _AssignmentData(Struct, gc=False):
    workspace_id: _ShortId
    app_id: _ShortId
    agent_id: _ShortId


class _Record(Struct, tag_field="type", kw_only=True, gc=False):
    specversion: Literal["1.0"]
    id: _LongId
    time: str


class _Event(_Record, kw_only=True, gc=False):
    kind: ClassVar[Kind]
    source: _Source
    subject: _LongId


class _Started(_Event, tag="conversation.started", kw_only=True, gc=False):
    data: _StartedData

    def event(self, time_ms: int) -> TalkEvent:
        data = self.data
        key = talk_key(USAGE, data.workspace_id, data.app_id, self.subject)
        if data.initiator == "bot":
            return TalkEvent(Kind.STARTED_BY_BOT, time_ms, key, NOBODY, "")
        return TalkEvent(Kind.STARTED_BY_USER, time_ms, key, who_text(data.channel, data.kore_user_id or "", data.channel_user_id or ""), "")


class _Message(_Event, tag="conversation.message", kw_only=True, gc=False):
    data: _MessageData

    def event(self, time_ms: int) -> TalkEvent:
        data = self.data
        key = talk_key(USAGE, data.workspace_id, data.app_id, self.subject)
        if data.sender != "user":
            return TalkEvent(_MESSAGE[data.sender], time_ms, key, NOBODY, "")
        return TalkEvent(_BY_USER, time_ms, key, who_text(data.channel, data.kore_user_id or "", data.channel_user_id or ""), data.message_id)


class _Transferred(_Event, tag="conversation.transferred", kw_only=True, gc=False):
    data: _Channel

    def event(self, time_ms: int) -> TalkEvent:
        data = self.data
        return TalkEvent(Kind.TRANSFERRED, time_ms, talk_key(USAGE, data.workspace_id, data.app_id, self.subject), who_text(data.channel, "", ""), "")


class _Returned(_Event, tag="conversation.returned", kw_only=True, gc=False):
    data: _Channel

    def event(self, time_ms: int) -> TalkEvent:
        data = self.data
        return TalkEvent(Kind.RETURNED, time_ms, talk_key(USAGE, data.workspace_id, data.app_id, self.subject), NOBODY, "")


class _Ended(_Event, tag="conversation.ended", kw_only=True, gc=False):
    data: _EndedData

    def event(self, time_ms: int) -> TalkEvent:
        data = self.data
        return TalkEvent(_ENDED[data.reason], time_ms, talk_key(USAGE, data.workspace_id, data.app_id, self.subject), NOBODY, "")


class _Voice(_Event, kw_only=True, gc=False):
    data: _VoiceData

    def event(self, time_ms: int) -> TalkEvent:
        data = self.data
        key = talk_key(VOICE, data.workspace_id, data.app_id, self.subject)
        return TalkEvent(self.kind, time_ms, key, who_text(data.channel, data.kore_user_id or "", data.channel_user_id or ""), "")


class _VoiceStarted(_Voice, tag="voice.started", kw_only=True, gc=False):
    kind = Kind.VOICE_STARTED


class _VoiceProgress(_Voice, tag="voice.progress", kw_only=True, gc=False):
    kind = Kind.VOICE_PROGRESS


class _VoiceEnded(_Voice, tag="voice.ended", kw_only=True, gc=False):
    kind = Kind.VOICE_ENDED


class _Alert(_Event, kw_only=True, gc=False):
    data: _AlertData

    def event(self, time_ms: int) -> Event | None:
        data = self.data
        return Event(self.kind, time_ms, data.workspace_id, data.app_id, self.subject, self.source, self.id,
                     data.channel, data.kore_user_id or "", data.channel_user_id or "", data.message_id or "")  # fmt: skip


class _AlertDelivered(_Alert, tag="alert.delivered", kw_only=True, gc=False):
    kind = Kind.ALERT_DELIVERED


class _AlertFailed(_Alert, tag="alert.failed", kw_only=True, gc=False):
    kind = Kind.ALERT_FAILED


class _Login(_Event, kw_only=True, gc=False):
    data: _LoginData

    def event(self, time_ms: int) -> Event | None:
        data = self.data
        app_ids = data.app_ids or (data.app_id,)
        if not app_ids[0]:
            return None
        return Event(self.kind, time_ms, data.workspace_id, "", self.subject, self.source, self.id, agent_id=data.agent_id, app_ids=app_ids)


class _LoggedIn(_Login, tag="agent.logged_in", kw_only=True, gc=False):
    kind = Kind.LOGGED_IN


class _LoggedOut(_Login, tag="agent.logged_out", kw_only=True, gc=False):
    kind = Kind.LOGGED_OUT


class _Assignment(_Event, kw_only=True, gc=False):
    data: _AssignmentData

    def event(self, time_ms: int) -> Event | None:
        data = self.data
        return Event(self.kind, time_ms, data.workspace_id, data.app_id, self.subject, self.source, self.id, agent_id=data.agent_id)


class _Assigned(_Assignment, tag="agent.assigned", kw_only=True, gc=False):
    kind = Kind.ASSIGNED


class _Unassigned(_Assignment, tag="agent.unassigned", kw_only=True, gc=False):
    kind = Kind.UNASSIGNED


class _LogClosed(_Record, tag="log.closed", kw_only=True, gc=False):
    source: Literal["quarterhour"]

    def event(self, time_ms: int) -> Event | None:
        return Event(Kind.LOG_CLOSED, time_ms, "", "", "", self.source, self.id)


_AnyRecord = (
    _Started | _Message | _Transferred | _Returned | _Ended | _VoiceStarted | _VoiceProgress | _VoiceEnded
    | _AlertDelivered | _AlertFailed | _LoggedIn | _LoggedOut | _Assigned | _Unassigned | _LogClosed
)  # fmt: skip

_typed: Final[Callable[[bytes], _AnyRecord]] = msgspec.json.Decoder(_AnyRecord).decode


def decode(value: bytes | None, log_time_ms: int, lateness_ms: int = LATENESS_MS) -> Accepted | Refusal:
    """An event, or the first reason (in E4's order) why the record is none. `log_time_ms` is the record's Kafka timestamp."""
    if not value or len(value) > EVENT_BYTES_MAX or is_too_deep(value):
        return decode_slow(value, log_time_ms, lateness_ms)
    try:
        if not value.isascii():
            value.decode()
        record = _typed(value)
        time_ms = parse_ms(record.time)
        event = record.event(time_ms)
    except (msgspec.MsgspecError, ValueError):
        event = None
    if event is None:
        return decode_slow(value, log_time_ms, lateness_ms)
    if -lateness_ms <= time_ms - log_time_ms <= AHEAD_MS_MAX or event.kind is Kind.LOG_CLOSED:
        return event
    return out_of_time(time_ms, log_time_ms, lateness_ms, event.workspace_id) or event

"""The slow twin of `decode`: the same outcome by `json` and the published models, and the sentence that says what is wrong.

`decode` comes here for whatever its fast way does not accept at once, so a refusal is always judged by the contract itself.
The order of the checks is E4's and stands in `decode_slow`.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from services.events import strict_json
from services.events.event import FIRST_ALERT, FIRST_VOICE, Accepted, Event, Kind, Refusal, TalkEvent
from services.events.keys import NOBODY, USAGE, VOICE, talk_key, who_text
from services.events.models import EVENT_MODELS, LogClosed, LoginData, PlatformEvent, Record
from services.events.times import format_ms, parse_ms

EVENT_BYTES_MAX: Final = 1_048_576
AHEAD_MS_MAX: Final = 300_000
LATENESS_MS: Final = 86_400_000

_EXCERPT_CHARS_MAX: Final = 60
_WORKSPACE_CHARS_MAX: Final = 128

_KINDS: Final = {
    "conversation.started": {"user": Kind.STARTED_BY_USER, "bot": Kind.STARTED_BY_BOT},
    "conversation.message": {"user": Kind.MESSAGE_BY_USER, "bot": Kind.MESSAGE_BY_BOT, "agent": Kind.MESSAGE_BY_AGENT},
    "conversation.transferred": {"": Kind.TRANSFERRED},
    "conversation.returned": {"": Kind.RETURNED},
    "conversation.ended": {"user": Kind.ENDED_BY_USER, "bot": Kind.ENDED_BY_BOT, "agent": Kind.ENDED_BY_AGENT, "idle": Kind.ENDED_IDLE},
    "voice.started": {"": Kind.VOICE_STARTED},
    "voice.progress": {"": Kind.VOICE_PROGRESS},
    "voice.ended": {"": Kind.VOICE_ENDED},
    "alert.delivered": {"": Kind.ALERT_DELIVERED},
    "alert.failed": {"": Kind.ALERT_FAILED},
    "agent.logged_in": {"": Kind.LOGGED_IN},
    "agent.logged_out": {"": Kind.LOGGED_OUT},
    "agent.assigned": {"": Kind.ASSIGNED},
    "agent.unassigned": {"": Kind.UNASSIGNED},
}

_NAMED: Final = frozenset({Kind.STARTED_BY_USER, Kind.MESSAGE_BY_USER, Kind.TRANSFERRED, Kind.VOICE_STARTED, Kind.VOICE_PROGRESS, Kind.VOICE_ENDED})
"""Whose `who` a rule reads (U11)."""

_TEXTS: Final = ("workspace_id", "app_id", "channel", "kore_user_id", "channel_user_id", "message_id", "agent_id")

_JSON_NAMES: Final[dict[type, str]] = {str: "a string", float: "a number", bool: "true or false", type(None): "null", list: "an array", dict: "an object"}


def decode_slow(value: bytes | None, log_time_ms: int, lateness_ms: int = LATENESS_MS) -> Accepted | Refusal:
    """E4: an event, or the first reason why the value is none."""
    if not value:
        return Refusal("malformed_json", detail="the value is empty")
    if len(value) > EVENT_BYTES_MAX:
        return Refusal("too_large", detail=f"{len(value)} bytes; at most {EVENT_BYTES_MAX} are accepted")
    try:
        fields = strict_json.parse(value)
    except ValueError as error:
        return Refusal("malformed_json", detail=str(error))
    if not isinstance(fields, dict):
        return Refusal("malformed_json", detail=f"{_JSON_NAMES[type(fields)]}, where one JSON object is needed")
    return _judge(fields, log_time_ms, lateness_ms)


def out_of_time(time_ms: int, log_time_ms: int, lateness_ms: int, workspace_id: str) -> Refusal | None:
    """E4, T4: why an event of this time is refused at this log time, if it is. Both limits themselves are still accepted."""
    ahead_ms = time_ms - log_time_ms
    if ahead_ms > AHEAD_MS_MAX:
        return Refusal("future", "", f"time: {format_ms(time_ms)} is {ahead_ms} ms ahead of the log time; at most {AHEAD_MS_MAX} are accepted", workspace_id)
    if -ahead_ms > lateness_ms:
        return Refusal("too_late", "", f"time: {format_ms(time_ms)} is {-ahead_ms} ms behind the log time; at most {lateness_ms} are accepted", workspace_id)
    return None


def _judge(fields: dict[str, Any], log_time_ms: int, lateness_ms: int) -> Accepted | Refusal:
    workspace_id = _readable_workspace(fields)
    type_ = fields.get("type")
    if not isinstance(type_, str):
        return Refusal("invalid_event", "type", _problem("type", "type" in fields, type_, "a string is needed"), workspace_id)
    model = EVENT_MODELS.get(type_)
    if model is None:
        return Refusal("unknown_type", "", f"type: {_excerpt(type_)} is no type of event", workspace_id)
    try:
        record = model.model_validate(fields)
    except ValidationError as error:
        return _invalid_event(error, workspace_id)
    event = _event_of(record)
    late = None if isinstance(record, LogClosed) else out_of_time(event.time_ms, log_time_ms, lateness_ms, event.workspace_id)
    return late or event


def _event_of(record: Record) -> Accepted:
    time_ms = parse_ms(record.time)
    if not isinstance(record, PlatformEvent):
        return Event(Kind.LOG_CLOSED, time_ms, "", "", "", record.source, record.id)
    said = record.data.model_dump()
    texts = {name: said.get(name) or "" for name in _TEXTS}
    app_ids: tuple[str, ...] = ()
    if isinstance(record.data, LoginData):
        app_ids = tuple(said["app_ids"] or [texts["app_id"]])
        texts["app_id"] = ""
    kind = _KINDS[record.type][_who(said)]
    if kind < FIRST_ALERT:
        return _talk_event(kind, time_ms, record.subject, texts)
    return Event(kind, time_ms, subject=record.subject, source=record.source, id=record.id, app_ids=app_ids, **texts)


def _talk_event(kind: Kind, time_ms: int, subject: str, texts: dict[str, str]) -> TalkEvent:
    key = talk_key(VOICE if kind >= FIRST_VOICE else USAGE, texts["workspace_id"], texts["app_id"], subject)
    who = who_text(texts["channel"], texts["kore_user_id"], texts["channel_user_id"]) if kind in _NAMED else NOBODY
    return TalkEvent(kind, time_ms, key, who, texts["message_id"] if kind is Kind.MESSAGE_BY_USER else "")


def _who(said: dict[str, Any]) -> str:
    """Who began, wrote or ended; empty in events that do not say."""
    return said.get("initiator") or said.get("sender") or said.get("reason") or ""


def _readable_workspace(fields: dict[str, Any]) -> str:
    data = fields.get("data")
    workspace_id = data.get("workspace_id") if isinstance(data, dict) else None
    return workspace_id if isinstance(workspace_id, str) and len(workspace_id) <= _WORKSPACE_CHARS_MAX else ""


def _invalid_event(error: ValidationError, workspace_id: str) -> Refusal:
    first = error.errors(include_url=False)[0]
    field = ".".join(part for part in first["loc"] if isinstance(part, str))
    return Refusal("invalid_event", field, _problem(field, first["type"] != "missing", first["input"], first["msg"]), workspace_id)


def _problem(field: str, is_there: bool, value: object, message: str) -> str:
    if not is_there:
        return f"{field}: missing"
    found = _excerpt(value) if isinstance(value, str) else _JSON_NAMES.get(type(value), "something else")
    return f"{field}: {message.removeprefix('Value error, ')}; found {found}"


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= _EXCERPT_CHARS_MAX else text[:_EXCERPT_CHARS_MAX] + "…")

"""An accepted event as the inner rooms see it, and a refusal: the two outcomes of reading a record (SPEC §3).

Plain data. `services.events.decode` makes them from bytes; nothing inside ever sees JSON again.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal, get_args

import msgspec

from services.events.keys import split_key


class Kind(IntEnum):
    """What an event says, as one small number. The numbers are part of the batches format: append, never renumber."""

    STARTED_BY_USER = 0
    STARTED_BY_BOT = 1
    MESSAGE_BY_USER = 2
    MESSAGE_BY_BOT = 3
    MESSAGE_BY_AGENT = 4
    TRANSFERRED = 5
    RETURNED = 6
    ENDED_BY_USER = 7
    ENDED_BY_BOT = 8
    ENDED_BY_AGENT = 9
    ENDED_IDLE = 10
    VOICE_STARTED = 11
    VOICE_PROGRESS = 12
    VOICE_ENDED = 13
    ALERT_DELIVERED = 14
    ALERT_FAILED = 15
    LOGGED_IN = 16
    LOGGED_OUT = 17
    ASSIGNED = 18
    UNASSIGNED = 19
    LOG_CLOSED = 20


FIRST_VOICE: Final = Kind.VOICE_STARTED
FIRST_ALERT: Final = Kind.ALERT_DELIVERED
FIRST_AGENT: Final = Kind.LOGGED_IN


class TalkEvent(msgspec.Struct, frozen=True, gc=False):
    """One accepted event of a conversation or call: the hot path, so it holds no more than a rule reads."""

    kind: Kind
    time_ms: int
    """UTC since 1970."""
    key: str
    """`keys.talk_key`: workspace, app, and conversation or call."""
    who: str
    """`keys.who_text` of a sign of the user, of a transfer and of voice; else `NOBODY`."""
    message_id: str
    """Of a user's message; else empty."""

    @property
    def workspace_id(self) -> str:
        """The workspace in the key."""
        return split_key(self.key)[0]


class Event(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One accepted event of an alert or an agent, or a control record. Texts that an event of its kind does not have are empty; `time_ms` is UTC since 1970.

    The order of the fields is part of the batches format: append, never reorder.
    """

    kind: Kind
    time_ms: int
    workspace_id: str
    app_id: str
    subject: str
    """Alert, login or agent id."""
    source: str
    id: str
    channel: str = ""
    kore_user_id: str = ""
    channel_user_id: str = ""
    message_id: str = ""
    agent_id: str = ""
    app_ids: tuple[str, ...] = ()
    """Of a login: the apps served, as sent (`app_id` alone gives one)."""


Accepted = TalkEvent | Event
"""What a record says when it is not refused; for annotations and `isinstance`."""

Reason = Literal["malformed_json", "invalid_event", "unknown_type", "too_large", "future", "too_late"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a record is not an event: a value, not an exception, for it is the sender's error and work goes on."""

    reason: Reason
    field: str = ""
    """The offending field as a path, e.g. `data.workspace_id`."""
    detail: str = ""
    workspace_id: str = ""
    """The workspace, when it could be read."""

"""Give a record its id, revision and wire form (schemas/README F1-F3). Pure. The one place that spells facts as JSON.

The structs repeat the published models of `events.facts` for speed; a test holds them to the same fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

import msgspec

from services.events import topics
from services.events.ids import fact_id
from services.events.outgoing import OutFact
from services.events.times import format_ms
from services.meters.records import AssignmentRecord, Change, EpisodeRecord, LoginRecord, PeakRecord, Record, SessionRecord

_encode = msgspec.json.Encoder().encode

ALERT_TYPE = "alert"
_KEY: Final = attrgetter("key")


def publish(changes: Iterable[Change], revision: int, immutable_revision: int) -> list[OutFact]:
    """Facts in the order of F4: by topic, then by id. Alerts never change and carry `immutable_revision` (A2)."""
    facts = []
    for record, void in changes:
        number = immutable_revision if isinstance(record, SessionRecord) and record.type == ALERT_TYPE else revision
        facts.append(_fact(record, number, "void" if void else "closed"))
    return in_order(facts)


def in_order(facts: list[OutFact]) -> list[OutFact]:
    """F4: by topic, then by id."""
    if len(facts) < 2:
        return facts
    # Two sorts without a call for each fact, where one by both would make one.
    by_topic: dict[str, list[OutFact]] = {topic: [] for topic in topics.FACT_TOPICS}
    for fact in facts:
        by_topic[fact.topic].append(fact)
    return [fact for found in by_topic.values() for fact in sorted(found, key=_KEY)]


def _fact(record: Record, revision: int, status: str) -> OutFact:
    ident = fact_id(*record.ident)
    topic, body = _BODY[type(record)](record, ident, revision, status)
    return OutFact(topic, ident.encode(), record.workspace_id, _encode(body))


def _optional(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else format_ms(instant_ms)


class _SessionFact(msgspec.Struct, gc=False):
    billing_session_id: str
    revision: int
    status: str
    workspace_id: str
    app_id: str
    type: str
    channel: str
    kore_user_id: str
    channel_user_id: str
    conversation_id: str
    conversation_start: str
    start: str
    end: str
    bot_ms: int
    human_ms: int
    message_id: str
    rule: str


class _ConversationFact(msgspec.Struct, gc=False):
    conversation_episode_id: str
    revision: int
    status: str
    workspace_id: str
    app_id: str
    channel: str
    kore_user_id: str
    channel_user_id: str
    conversation_id: str
    start: str
    end: str | None
    end_reason: str
    sessions: int
    human_ms: int


class _PeakFact(msgspec.Struct, gc=False):
    seat_peak_id: str
    revision: int
    status: str
    workspace_id: str
    app_id: str
    quarter: str
    peak: int
    peak_at: str
    agents: int


class _LoginFact(msgspec.Struct, gc=False):
    agent_login_id: str
    revision: int
    status: str
    workspace_id: str
    login_id: str
    agent_id: str
    app_ids: tuple[str, ...]
    start: str
    end: str | None


class _AssignmentFact(msgspec.Struct, gc=False):
    agent_assignment_id: str
    revision: int
    status: str
    workspace_id: str
    app_id: str
    agent_id: str
    start: str
    end: str | None


def _session(r: SessionRecord, ident: str, revision: int, status: str) -> tuple[str, msgspec.Struct]:
    return topics.SESSIONS, _SessionFact(
        ident, revision, status, r.workspace_id, r.app_id, r.type, r.channel, r.kore_user_id, r.channel_user_id, r.conversation_id,
        format_ms(r.conversation_start_ms), format_ms(r.start_ms), format_ms(r.end_ms), r.bot_ms, r.human_ms, r.message_id, r.rule,
    )  # fmt: skip


def _episode(r: EpisodeRecord, ident: str, revision: int, status: str) -> tuple[str, msgspec.Struct]:
    return topics.EPISODES, _ConversationFact(
        ident, revision, status, r.workspace_id, r.app_id, r.channel, r.kore_user_id, r.channel_user_id, r.conversation_id,
        format_ms(r.start_ms), _optional(r.end_ms), r.end_reason, r.sessions, r.human_ms,
    )  # fmt: skip


def _peak(r: PeakRecord, ident: str, revision: int, status: str) -> tuple[str, msgspec.Struct]:
    return topics.PEAKS, _PeakFact(
        ident, revision, status, r.workspace_id, r.app_id, format_ms(r.quarter_ms), r.peak, format_ms(r.peak_at_ms), r.agents
    )  # fmt: skip


def _login(r: LoginRecord, ident: str, revision: int, status: str) -> tuple[str, msgspec.Struct]:
    return topics.LOGINS, _LoginFact(
        ident, revision, status, r.workspace_id, r.login_id, r.agent_id, r.app_ids, format_ms(r.start_ms), _optional(r.end_ms)
    )  # fmt: skip


def _assignment(r: AssignmentRecord, ident: str, revision: int, status: str) -> tuple[str, msgspec.Struct]:
    return topics.ASSIGNMENTS, _AssignmentFact(
        ident, revision, status, r.workspace_id, r.app_id, r.agent_id, format_ms(r.start_ms), _optional(r.end_ms)
    )  # fmt: skip


_BODY: Final[dict[type, Callable[[Any, str, int, str], tuple[str, msgspec.Struct]]]] = {
    SessionRecord: _session, EpisodeRecord: _episode, PeakRecord: _peak, LoginRecord: _login, AssignmentRecord: _assignment,
}  # fmt: skip

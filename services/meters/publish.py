"""Give a record its id, revision and wire form (schemas/README F1-F3). Pure. The one place that spells facts as JSON, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from services.events import topics
from services.events.ids import fact_id
from services.events.outgoing import OutFact
from services.events.times import format_ms
from services.meters.records import AssignmentRecord, Change, EpisodeRecord, LoginRecord, PeakRecord, Record, SessionRecord

_encode = msgspec.json.Encoder().encode

ALERT_TYPE = "alert"


def publish(changes: Iterable[Change], revision: int, immutable_revision: int) -> list[OutFact]:
    """Facts in the order of F4: by topic, then by id. Alerts never change and carry `immutable_revision` (A2)."""
    facts = []
    for record, void in changes:
        number = immutable_revision if isinstance(record, SessionRecord) and record.type == ALERT_TYPE else revision
        facts.append(_fact(record, number, "void" if void else "closed"))
    if len(facts) > 1:
        facts.sort(key=_by_topic_and_id)
    return facts


def _by_topic_and_id(fact: OutFact) -> tuple[int, bytes]:
    return topics.FACT_TOPICS.index(fact.topic), fact.key


def _fact(record: Record, revision: int, status: str) -> OutFact:
    ident = fact_id(*record.ident)
    topic, body = _BODY[type(record)](record, ident, revision, status)
    return OutFact(topic, ident.encode(), record.workspace_id, _encode(body))


def _optional(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else format_ms(instant_ms)


def _session(r: SessionRecord, ident: str, revision: int, status: str) -> tuple[str, dict[str, object]]:
    return topics.SESSIONS, {
        "billing_session_id": ident, "revision": revision, "status": status, "workspace_id": r.workspace_id, "app_id": r.app_id, "type": r.type,
        "channel": r.channel, "kore_user_id": r.kore_user_id, "channel_user_id": r.channel_user_id, "conversation_id": r.conversation_id,
        "conversation_start": format_ms(r.conversation_start_ms), "start": format_ms(r.start_ms), "end": format_ms(r.end_ms),
        "bot_ms": r.bot_ms, "human_ms": r.human_ms, "message_id": r.message_id, "rule": r.rule,
    }  # fmt: skip


def _episode(r: EpisodeRecord, ident: str, revision: int, status: str) -> tuple[str, dict[str, object]]:
    return topics.EPISODES, {
        "conversation_episode_id": ident, "revision": revision, "status": status, "workspace_id": r.workspace_id, "app_id": r.app_id,
        "channel": r.channel, "kore_user_id": r.kore_user_id, "channel_user_id": r.channel_user_id, "conversation_id": r.conversation_id,
        "start": format_ms(r.start_ms), "end": _optional(r.end_ms), "end_reason": r.end_reason, "sessions": r.sessions, "human_ms": r.human_ms,
    }  # fmt: skip


def _peak(r: PeakRecord, ident: str, revision: int, status: str) -> tuple[str, dict[str, object]]:
    return topics.PEAKS, {
        "seat_peak_id": ident, "revision": revision, "status": status, "workspace_id": r.workspace_id, "app_id": r.app_id,
        "quarter": format_ms(r.quarter_ms), "peak": r.peak, "peak_at": format_ms(r.peak_at_ms), "agents": r.agents,
    }  # fmt: skip


def _login(r: LoginRecord, ident: str, revision: int, status: str) -> tuple[str, dict[str, object]]:
    return topics.LOGINS, {
        "agent_login_id": ident, "revision": revision, "status": status, "workspace_id": r.workspace_id, "login_id": r.login_id,
        "agent_id": r.agent_id, "app_ids": r.app_ids, "start": format_ms(r.start_ms), "end": _optional(r.end_ms),
    }  # fmt: skip


def _assignment(r: AssignmentRecord, ident: str, revision: int, status: str) -> tuple[str, dict[str, object]]:
    return topics.ASSIGNMENTS, {
        "agent_assignment_id": ident, "revision": revision, "status": status, "workspace_id": r.workspace_id, "app_id": r.app_id,
        "agent_id": r.agent_id, "start": format_ms(r.start_ms), "end": _optional(r.end_ms),
    }  # fmt: skip


_BODY: Final[dict[type, Callable[[Any, str, int, str], tuple[str, dict[str, object]]]]] = {
    SessionRecord: _session, EpisodeRecord: _episode, PeakRecord: _peak, LoginRecord: _login, AssignmentRecord: _assignment,
}

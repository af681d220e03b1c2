"""Three judges of one corpus: the fast way, the published models, and the reference of the specification must say the same of every value."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.events.decode import decode
from services.events.event import REASONS, Accepted, Kind, Refusal, TalkEvent
from services.events.explain import decode_slow
from services.events.keys import USAGE, VOICE, talk_key, who_text
from tests.events.corpus import LOG_TIME_MS, mutations, random_damage, valid_examples
from tests.reference.instants import instant_ms
from tests.reference.model import judged_by_time
from tests.reference.record import Record, record_of
from tests.reference.validate import Refusal as ReferenceRefusal
from tests.reference.validate import read_line

_LATENESS_MS = 86_400_000

_KIND_WORDS = {
    Kind.STARTED_BY_USER: ("conversation.started", "user"), Kind.STARTED_BY_BOT: ("conversation.started", "bot"),
    Kind.MESSAGE_BY_USER: ("conversation.message", "user"), Kind.MESSAGE_BY_BOT: ("conversation.message", "bot"),
    Kind.MESSAGE_BY_AGENT: ("conversation.message", "agent"),
    Kind.TRANSFERRED: ("conversation.transferred", ""), Kind.RETURNED: ("conversation.returned", ""),
    Kind.ENDED_BY_USER: ("conversation.ended", "user"), Kind.ENDED_BY_BOT: ("conversation.ended", "bot"),
    Kind.ENDED_BY_AGENT: ("conversation.ended", "agent"), Kind.ENDED_IDLE: ("conversation.ended", "idle"),
    Kind.VOICE_STARTED: ("voice.started", ""), Kind.VOICE_PROGRESS: ("voice.progress", ""), Kind.VOICE_ENDED: ("voice.ended", ""),
    Kind.ALERT_DELIVERED: ("alert.delivered", ""), Kind.ALERT_FAILED: ("alert.failed", ""),
    Kind.LOGGED_IN: ("agent.logged_in", ""), Kind.LOGGED_OUT: ("agent.logged_out", ""),
    Kind.ASSIGNED: ("agent.assigned", ""), Kind.UNASSIGNED: ("agent.unassigned", ""),
}  # fmt: skip


def _by_reference(value: bytes) -> tuple[object, ...] | None:
    """What the reference says, as comparable texts; None: a control record, which it does not judge."""
    found = read_line(value)
    if isinstance(found, dict) and found["type"] == "log.closed":
        return None
    time_ms = instant_ms(found["time"]) if isinstance(found, dict) else None
    judged = judged_by_time(found, time_ms, LOG_TIME_MS)
    if isinstance(judged, ReferenceRefusal):
        return (judged.reason, judged.field, judged.workspace_id)
    r = record_of(judged)
    if r.type.startswith(("conversation.", "voice.")):
        return (r.type, r.word, r.time_ms, *_names(r))
    app_id = "" if r.type.startswith("agent.logged_") else r.app_id
    return (r.type, r.word, r.time_ms, r.workspace_id, app_id, r.subject, r.source, r.id, r.channel, r.kore_user_id, r.channel_user_id,
            r.message_id, r.agent_id, r.app_ids)  # fmt: skip


def _names(r: Record) -> tuple[str, str, str]:
    """(key, who, message id): what the rules read of a conversation's or call's event, and no more."""
    key = talk_key(USAGE if r.type.startswith("conversation.") else VOICE, r.workspace_id, r.app_id, r.subject)
    named = (r.word == "user" and not r.type.endswith("ended")) or r.type == "conversation.transferred" or r.type.startswith("voice.")
    who = who_text(r.channel, r.kore_user_id, r.channel_user_id) if named else ""
    return key, who, r.message_id if (r.type, r.word) == ("conversation.message", "user") else ""


def _comparable(outcome: Accepted | Refusal) -> tuple[object, ...]:
    if isinstance(outcome, Refusal):
        return (outcome.reason, outcome.field, outcome.workspace_id)
    e = outcome
    if isinstance(e, TalkEvent):
        return (*_KIND_WORDS[e.kind], e.time_ms, e.key, e.who, e.message_id)
    return (*_KIND_WORDS[e.kind], e.time_ms, e.workspace_id, e.app_id, e.subject, e.source, e.id, e.channel, e.kore_user_id, e.channel_user_id,
            e.message_id, e.agent_id, e.app_ids)  # fmt: skip


def _judge(values: Iterable[bytes]) -> Counter[str]:
    """How many were accepted, and refused by reason; fails at the first value on which the judges differ."""
    seen: Counter[str] = Counter()
    for value in values:
        outcome = decode(value, LOG_TIME_MS)
        assert outcome == decode_slow(value, LOG_TIME_MS), value
        reference = _by_reference(value)
        assert reference is None or _comparable(outcome) == reference, value
        seen[outcome.reason if isinstance(outcome, Refusal) else "accepted"] += 1
    return seen


def test_all_judges_agree_on_every_field_removed_replaced_and_repeated_and_on_random_damage() -> None:
    seen = _judge(mutations(seed=1, bytes_per_example=150))
    assert sum(seen.values()) > 20_000
    assert min(seen[word] for word in ("accepted", *REASONS) if word != "too_large") > 100, seen


@pytest.mark.parametrize("seed", range(2, 5))
def test_all_judges_agree_on_more_random_damage(seed: int) -> None:
    assert _judge(random_damage(seed, per_example=60))["accepted"] > 20


@given(st.text(max_size=20), st.text(max_size=20), st.integers(-400_000, 100_000_000), st.sampled_from([0, 1, _LATENESS_MS, 10**15]))
def test_all_judges_agree_at_every_log_time(id_: str, subject: str, behind_ms: int, lateness_ms: int) -> None:
    value = valid_examples()["conversation.message"].replace(b'"c-81"', _json_text(subject)).replace(b'"c-81-message"', _json_text(id_))
    log_time_ms = LOG_TIME_MS + behind_ms
    assert decode(value, log_time_ms, lateness_ms) == decode_slow(value, log_time_ms, lateness_ms)


@given(st.binary(max_size=60))
def test_no_bytes_raise(value: bytes) -> None:
    outcome = decode(value, 0)
    assert isinstance(outcome, Refusal)
    assert outcome == decode_slow(value, 0)


def _json_text(text: str) -> bytes:
    return json.dumps(text).encode()

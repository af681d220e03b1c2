"""Who a fact is about (U11), what identifies it (F1), and the shape of a fact (F2)."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.reference.instants import MINUTE_MS
from tests.reference.model import reference_of_events
from tests.reference.strategies import BASE_MS, CloudEvent, cloud_event


def event(kind: str, minute: int, **data: Any) -> CloudEvent:
    scope = {"workspace_id": "acme", "app_id": "bänk", "channel": "web"}
    return cloud_event(kind, BASE_MS + minute * MINUTE_MS, "c1", scope | data) | {"id": f"{kind}{minute}{sorted(data.items())}"}


def who(*events: CloudEvent) -> tuple[object, object, object]:
    fact = next(fact for fact in reference_of_events(events) if "billing_session_id" in fact)
    return fact["channel"], fact["kore_user_id"], fact["channel_user_id"]


def test_each_field_comes_from_the_earliest_sign_that_has_it() -> None:
    first = event("conversation.started", 0, kore_user_id=None)
    second = event("conversation.message", 1, sender="user", message_id="m", kore_user_id="k2", channel="sms")
    third = event("conversation.message", 2, sender="user", message_id="m", kore_user_id="k3", channel_user_id="u3")
    assert who(third, second, first) == ("web", "k2", "u3")


def test_at_one_instant_the_smallest_text() -> None:
    assert who(event("conversation.started", 0, kore_user_id="b"), event("conversation.started", 0, kore_user_id="a", channel="x"))[:2] == ("web", "a")


def test_the_bots_messages_tell_nothing() -> None:
    bot = event("conversation.message", 0, sender="bot", message_id="m", kore_user_id="bot")
    assert who(bot, event("conversation.started", 1))[1] == ""


def test_a_call_is_known_by_its_start_first() -> None:
    started = event("voice.started", 0, channel="phone")
    progress = event("voice.progress", 1, channel="web", kore_user_id="k1")
    assert who(progress, started) == ("phone", "k1", "")


def test_an_id_is_the_hash_of_the_compact_array() -> None:
    fact = next(fact for fact in reference_of_events([event("conversation.started", 0)]) if "billing_session_id" in fact)
    text = f'["usage","acme","bänk","c1",{BASE_MS},1]'
    assert fact["billing_session_id"] == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_a_session_has_the_fields_of_f2_without_its_revision() -> None:
    (fact,) = reference_of_events([event("alert.delivered", 0)])
    names = """topic billing_session_id status workspace_id app_id type channel kore_user_id channel_user_id conversation_id
        conversation_start start end bot_ms human_ms message_id rule"""
    assert " ".join(fact) == " ".join(names.split())

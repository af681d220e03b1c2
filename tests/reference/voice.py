"""Voice sessions (V1): fifteen minutes each, whoever speaks. Rule: t0, te, then U6-U9 on plain elapsed time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.reference.asleep import parts_awake
from tests.reference.facts import Fact, fact_id, session_fact
from tests.reference.instants import DAY_MS, QUARTER_MS
from tests.reference.record import Record
from tests.reference.usage import session_count, who


class Call(NamedTuple):
    t0: int
    te: int
    ended: bool
    """A `voice.ended` ended it."""
    who: tuple[str, str, str]


def call_of(events: Sequence[Record]) -> Call:
    """V1. Without a `voice.started` the earliest event begins the call, even if it is the `voice.ended`."""
    started = [event for event in events if event.type == "voice.started"]
    t0 = min(event.time_ms for event in started or events)
    inside = [event for event in events if event.time_ms >= t0]
    ends = [event.time_ms for event in inside if event.type == "voice.ended"]
    te = min(ends) if ends else max(event.time_ms for event in inside)
    return Call(t0, min(te, t0 + DAY_MS), bool(ends), caller(started, inside))


def caller(started: Sequence[Record], inside: Sequence[Record]) -> tuple[str, str, str]:
    """U11: from the `voice.started` events; what they do not tell, from any event of the call."""
    first, second = who(started), who(inside)
    return first[0] or second[0], first[1] or second[1], first[2] or second[2]


def voice_facts(workspace_id: str, app_id: str, call_id: str, events: Iterable[Record], watermark_ms: int) -> list[Fact]:
    """The published sessions of one call."""
    facts: list[Fact] = []
    for part in parts_awake(events):
        call = call_of(part)
        for k in range(1, session_count(call.te - call.t0) + 1):
            fact = voice_session((workspace_id, app_id, call_id), call, k, watermark_ms)
            facts += [fact] if fact else []
    return facts


def voice_session(name: tuple[str, str, str], call: Call, k: int, watermark_ms: int) -> Fact | None:
    """Session k (U7 on elapsed time), or None while it may not be published (U8)."""
    start, full = call.t0 + (k - 1) * QUARTER_MS, call.t0 + k * QUARTER_MS
    end, rule = (call.te, "V1:ended") if call.ended and call.te < full else (full, "V1:full")
    if not (call.ended or watermark_ms > end):
        return None
    return session_fact(
        billing_session_id=fact_id("voice", *name, call.t0, k),
        workspace_id=name[0],
        app_id=name[1],
        kind="voice",
        who=call.who,
        conversation_id=name[2],
        conversation_start_ms=call.t0,
        start_ms=start,
        end_ms=end,
        bot_ms=end - start,
        message_id="",
        rule=rule,
    )

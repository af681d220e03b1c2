"""What a call bills: from the set of its events to its records (SPEC V1). Pure; kept until T4 lets it go."""

from __future__ import annotations

from services.events.event import Kind
from services.events.keys import split_key, split_who
from services.meters.hours import sleeps
from services.meters.records import Records, SessionRecord
from services.meters.rules import FOREVER_MS, QUARTER_MS, Rules
from services.meters.talk import Talk

Instant = tuple[int, int, tuple[str, str, str]]
"""(time, kind, who) of one event of a call."""


def voice_records(talk: Talk, watermark_ms: int, rules: Rules) -> Records:
    """The sessions of a call that are published at a watermark."""
    talk.due_ms = FOREVER_MS
    talk.quiet_until = talk.times[-1]
    found: Records = {}
    for events in _calls(talk):
        _call(talk, events, watermark_ms, rules, found)
    talk.shown = bool(found)
    return found


def _calls(talk: Talk) -> list[list[Instant]]:
    """P2: cut where the call slept."""
    names = [split_who(who) for who in talk.names]
    rest = [(talk.base_ms + time, kind, names[who - 1]) for time, kind, who in zip(talk.times, talk.kinds, talk.whos, strict=True)]
    calls: list[list[Instant]] = []
    for _, after in sleeps(talk.lasts):
        calls.append([event for event in rest if event[0] < after])
        rest = [event for event in rest if event[0] >= after]
    return [*calls, rest]


def _call(talk: Talk, events: list[Instant], watermark_ms: int, rules: Rules, found: Records) -> None:
    workspace_id, app_id, call_id = split_key(talk.key)
    started = [event for event in events if event[1] == Kind.VOICE_STARTED]
    t0 = (started or events)[0][0]
    ended = next((event[0] for event in events if event[1] == Kind.VOICE_ENDED and event[0] >= t0), None)
    te = min(events[-1][0] if ended is None else ended, t0 + rules.call_max_ms)
    inside = [event for event in events if event[0] >= t0]
    who = [_earliest(started, i) or _earliest(inside, i) for i in range(3)]
    end = t0
    for k in range(1, max(1, -(-(te - t0) // QUARTER_MS)) + 1):
        start, full = t0 + (k - 1) * QUARTER_MS, t0 + k * QUARTER_MS
        end = full if ended is None else min(full, te)
        if ended is None and watermark_ms <= end:
            talk.due_ms = min(talk.due_ms, end + 1)
            continue
        ident = ("voice", workspace_id, app_id, call_id, t0, k)
        found[ident] = SessionRecord(
            ident, workspace_id, app_id, "voice", who[0], who[1], who[2], call_id,
            t0, start, end, end - start, 0, "", "V1:full" if end == full else "V1:ended",
        )  # fmt: skip
    if started and ended is None and len(talk.names) == 1 and not talk.may_sleep():
        # Inside the last window a further progress of the same caller moves neither the count nor an end, and names nobody new.
        talk.quiet_until = end - talk.base_ms


def _earliest(events: list[Instant], field: int) -> str:
    """U11 for calls: the value of the earliest event that has one; at one instant the smallest text."""
    value, at = "", FOREVER_MS
    for event in events:
        if event[0] > at:
            break
        text = event[2][field]
        if text and (not value or text < value):
            value, at = text, event[0]
    return value

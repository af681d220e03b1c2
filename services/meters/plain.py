"""The closed form of a plain conversation (SPEC U4-U8, C1): no marks, one episode, one user, and at most one end, which is its last row. Pure.

The bot clock of such a conversation is the time since its first sign, so every session follows from its number. Most conversations are plain, and
walking them instead costs six times as much; a test holds both to the same answers (tests/meters/test_plain.py).
"""

from __future__ import annotations

from services.events.event import Kind
from services.events.keys import split_key, split_who
from services.meters.episode import END_REASON
from services.meters.records import EpisodeRecord, Records, SessionRecord
from services.meters.rules import FOREVER_MS, QUARTER_MS, Rules
from services.meters.talk import ENDS, Talk

_MESSAGE = int(Kind.MESSAGE_BY_USER)
_IDLE = int(Kind.ENDED_IDLE)
_KINDS = tuple(Kind)


def plain_records(talk: Talk, watermark_ms: int, rules: Rules) -> Records | None:
    """`usage_records` of a plain conversation; None: it is not plain."""
    times, kinds = talk.times, talk.kinds
    if talk.marked or not times or len(talk.names) != 1 or talk.may_sleep():
        return None
    signs = len(times)
    end_kind = None
    if talk.ended:
        end_kind, signs = kinds[-1], signs - 1
        if not signs or end_kind not in ENDS or not ENDS.isdisjoint(kinds[:signs]) or times[signs] - times[signs - 1] > rules.silence_max_ms:
            return None
    if _has_silence(times, signs, rules.silence_max_ms):
        return None
    t0, closed = talk.base_ms + times[0], end_kind is not None
    ended = closed and end_kind != _IDLE
    clock = times[-1 if ended else signs - 1] - times[0]
    return _records(talk, t0, clock, signs, watermark_ms, rules, None if end_kind is None else _KINDS[end_kind])


def _has_silence(times: list[int], signs: int, silence_max_ms: int) -> bool:
    """U3: does a sign come so long after the one before that it begins another episode?"""
    if times[signs - 1] - times[0] <= silence_max_ms:
        return False
    return any(times[row + 1] - times[row] > silence_max_ms for row in range(signs - 1))


def _records(talk: Talk, t0: int, clock: int, signs: int, watermark_ms: int, rules: Rules, end_kind: Kind | None) -> Records:
    """Sessions k = 1 … n of a clock that runs from t0, and the conversation."""
    found: Records = {}
    workspace_id, app_id, conversation_id = split_key(talk.key)
    channel, kore_user_id, channel_user_id = split_who(talk.names[0])
    closed, ended = end_kind is not None, end_kind not in (None, Kind.ENDED_IDLE)
    count = max(1, -(-clock // QUARTER_MS))
    ids = _message_ids(talk, signs, count)
    due_ms = FOREVER_MS
    end = t0
    for k in range(1, count + 1):
        full = k * QUARTER_MS
        goal = min(full, clock) if ended else full
        end = t0 + goal
        if not closed and watermark_ms <= end:
            due_ms = end + 1 if due_ms == FOREVER_MS else due_ms
            continue
        start = t0 + full - QUARTER_MS
        ident = ("usage", workspace_id, app_id, conversation_id, t0, k)
        found[ident] = SessionRecord(
            ident, workspace_id, app_id, "usage", channel, kore_user_id, channel_user_id, conversation_id,
            t0, start, end, end - start, 0, ids[k - 1], "U7:full" if goal == full else "U7:ended",
        )  # fmt: skip
    over = False
    if found:
        over_after = t0 + clock + rules.silence_max_ms
        over = closed or watermark_ms > over_after
        if not over:
            due_ms = min(due_ms, over_after + 1)
        reason = "" if not over else "silence" if end_kind is None else END_REASON[end_kind]
        named = ("conversation", workspace_id, app_id, conversation_id, t0)
        found[named] = EpisodeRecord(
            named, workspace_id, app_id, channel, kore_user_id, channel_user_id, conversation_id,
            t0, t0 + clock if over else None, reason, count, 0,
        )  # fmt: skip
    talk.due_ms, talk.shown, talk.human_open = due_ms, bool(found), False
    # The same as `usage._quiet`: the last session has its message, and the last row is one.
    quiet = not over and not closed and ids[-1] and talk.kinds[-1] == _MESSAGE
    talk.quiet_until = end - talk.base_ms if quiet else talk.times[-1]
    return found


def _message_ids(talk: Talk, signs: int, count: int) -> list[str]:
    """U10: the first user message of each part of the clock."""
    times, kinds, message_ids = talk.times, talk.kinds, talk.message_ids
    ids = [""] * count
    missing = count
    for row in range(signs):
        if kinds[row] == _MESSAGE:
            k = max(0, -(-(times[row] - times[0]) // QUARTER_MS) - 1)
            if k < count and not ids[k]:
                ids[k] = message_ids[row]
                missing -= 1
                if not missing:
                    break
    return ids

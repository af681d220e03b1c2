"""What a conversation bills: from the set of its events to its records (SPEC U1-U13, C1). Pure.

`records` is a function of the set and the watermark. A plain conversation (no marks, one episode, at most one end) has a closed form in `plain`; all others are
walked, U1 to U10 one by one. Both set what the next event must know: `due_ms`, `shown`, `human_open`, `quiet_until`.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from services.events.event import Kind
from services.events.keys import split_key, split_who
from services.meters.episode import END_REASON, Episode, Part, silent_at
from services.meters.hours import sleeps
from services.meters.plain import plain_records
from services.meters.records import EpisodeRecord, Records, SessionRecord
from services.meters.rules import FOREVER_MS, Rules
from services.meters.talk import NEVER, Talk
from services.meters.walk import NOBODY, Entry, Walk

_KINDS = tuple(Kind)


def usage_records(talk: Talk, watermark_ms: int, rules: Rules) -> Records:
    """What is published of a conversation at a watermark (U8, S6)."""
    found = plain_records(talk, watermark_ms, rules)
    return walked_records(talk, watermark_ms, rules) if found is None else found


def walked_records(talk: Talk, watermark_ms: int, rules: Rules) -> Records:
    """`usage_records` of any conversation, rule by rule."""
    walk = _walk(talk, rules)
    found: Records = {}
    talk.due_ms = FOREVER_MS
    talk.quiet_until = talk.times[-1] if talk.times else NEVER
    for episode in walk.episodes:
        if episode.billed:
            _episode(talk, episode, walk, watermark_ms, rules, found)
    talk.shown = bool(found)
    talk.human_open = walk.human_since is not None
    return found


def _walk(talk: Talk, rules: Rules) -> Walk:
    walk = Walk(rules)
    sleep = sleeps(talk.lasts)
    asleep = next(sleep, None)
    for at, entries in groupby(_entries(talk), itemgetter(0)):
        while asleep is not None and at >= asleep[1]:
            walk.sleep(asleep[0])
            asleep = next(sleep, None)
        walk.step(at, list(entries))
    if asleep is not None:
        walk.sleep(asleep[0])
    return walk


def _entries(talk: Talk) -> list[Entry]:
    names = [NOBODY, *map(split_who, talk.names)]
    rows = zip(talk.times, talk.kinds, talk.message_ids, talk.whos, strict=True)
    return [(talk.base_ms + time, _KINDS[kind], message_id, names[who]) for time, kind, message_id, who in rows]


def _episode(talk: Talk, episode: Episode, walk: Walk, watermark_ms: int, rules: Rules, found: Records) -> None:
    human_since = walk.human_since if episode is walk.open else None
    last_of_human = talk.lasts[-1] if episode.human_last_ms is None else episode.human_last_ms
    parts = episode.parts(human_since)
    name = split_key(talk.key)
    shown = 0
    for part in parts:
        waits = episode.closed_at is None
        open_ended = part.open_human or part.rule == "U7:stopped"
        publish_after = last_of_human + rules.human_timeout_ms if open_ended else part.end_ms
        if waits and watermark_ms <= publish_after:
            talk.due_ms = min(talk.due_ms, publish_after + 1)
            continue
        shown += 1
        record = _session_record(name, episode, part)
        found[record.ident] = record
    if shown:
        stopped = human_since is not None or episode.human_last_ms is not None
        over_after = last_of_human + rules.human_timeout_ms if stopped else silent_at(episode, rules.silence_max_ms)
        over = episode.closed_at is not None or episode is not walk.episodes[-1] or watermark_ms > over_after
        if not over:
            talk.due_ms = min(talk.due_ms, over_after + 1)
        conversation = _episode_record(name, episode, len(parts), over=over)
        found[conversation.ident] = conversation
        if over:
            return
    _quiet(talk, episode, walk, parts[-1])


def _quiet(talk: Talk, episode: Episode, walk: Walk, last: Part) -> None:
    """Between the last row and the end of the last session's window a message of the same user changes nothing that is published:

    the count stays (U6), the window stays (U7), the message is not the session's first (U10), and nobody new is named (U11).
    """
    if episode is walk.open and walk.human_since is None and last.message_id and talk.kinds[-1] == Kind.MESSAGE_BY_USER:
        who = split_who(talk.who(-1))
        if (episode.channel, episode.kore_user_id, episode.channel_user_id) == who:
            talk.quiet_until = last.end_ms - talk.base_ms


def _session_record(name: tuple[str, str, str], episode: Episode, part: Part) -> SessionRecord:
    workspace_id, app_id, conversation_id = name
    t0 = episode.t0
    assert t0 is not None
    return SessionRecord(
        ("usage", workspace_id, app_id, conversation_id, t0, part.k),
        workspace_id, app_id, "usage", episode.channel, episode.kore_user_id, episode.channel_user_id, conversation_id,
        t0, part.start_ms, part.end_ms, part.bot_ms, part.end_ms - part.start_ms - part.bot_ms, part.message_id, part.rule,
    )  # fmt: skip


def _episode_record(name: tuple[str, str, str], episode: Episode, sessions: int, *, over: bool) -> EpisodeRecord:
    workspace_id, app_id, conversation_id = name
    t0 = episode.t0
    assert t0 is not None
    reason = "" if not over else "silence" if episode.closed_as is None else END_REASON[episode.closed_as]
    return EpisodeRecord(
        ("conversation", workspace_id, app_id, conversation_id, t0),
        workspace_id, app_id, episode.channel, episode.kore_user_id, episode.channel_user_id, conversation_id,
        t0, episode.te if over else None, reason, sessions, episode.te - t0 - episode.bot_clock(),
    )  # fmt: skip

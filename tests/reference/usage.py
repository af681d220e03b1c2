"""Usage sessions and conversations (SPEC §4 U1-U10; U11-U13, C1, P1, P2). Rule: from the whole set of events, anew each time.

What is computed: human time of the conversation, then its episodes, then for each episode its anchor, end, count, and windows.
Only the publication (U8, C1) looks at the watermark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tests.reference.asleep import by_instant, parts_awake
from tests.reference.clock import Human, bot_clock, first_instant, moves_past, stops_at
from tests.reference.facts import EPISODES, Fact, fact_id, maybe_text, session_fact
from tests.reference.instants import DAY_MS, FOREVER, MINUTE_MS, QUARTER_MS, SECOND_MS, instant_text
from tests.reference.record import WHO, Record

SILENCE_MAX_MS: Final = 60 * MINUTE_MS
END_GRACE_MS: Final = 60 * SECOND_MS
HUMAN_TIMEOUT_MS: Final = DAY_MS
REASONS: Final = ("user", "bot", "agent", "idle")


class Episode(NamedTuple):
    """U3: signs by time, and the `ended` that closed it (None: none did)."""

    signs: list[Record]
    ended_at: int | None
    ended_reason: str
    last_event_ms: int
    """Of the conversation (its P2 part), of any type."""

    @property
    def last_sign_ms(self) -> int:
        return self.signs[-1].time_ms

    @property
    def ended_by_someone(self) -> bool:
        """U5: te is an `ended`."""
        return self.ended_at is not None and self.ended_reason != "idle"

    @property
    def te(self) -> int:
        """U5."""
        return self.ended_at if self.ended_at is not None and self.ended_by_someone else self.last_sign_ms


class Session(NamedTuple):
    k: int
    start: int
    end: int
    bot_ms: int
    rule: str
    message_id: str


class Billed(NamedTuple):
    """An episode in which something is billed."""

    episode: Episode
    humans: list[Human]
    t0: int
    clock_ms: int
    """B of U6."""
    sessions: list[Session]


def is_sign(event: Record) -> bool:
    """§4: what tells of the user."""
    if event.type in ("conversation.started", "conversation.message"):
        return event.word == "user"
    return event.type == "conversation.transferred"


def human_times(events: Sequence[Record]) -> list[Human]:
    """U1: all human time of the conversation; what is open at the end of the events is open for ever."""
    humans: list[Human] = []
    since: int | None = None
    for instant, here in by_instant(events):
        types = {event.type for event in here}
        transferred, returned = "conversation.transferred" in types, "conversation.returned" in types
        reasons = {event.word for event in here if event.type == "conversation.ended"}
        if transferred and not returned and since is None:
            since = instant
        elif returned and not transferred and since is not None:
            humans.append(Human(since, instant, "returned"))
            since = None
        if reasons - {"idle"} and since is not None:
            humans.append(Human(since, instant, "ended"))
            since = None
        if "idle" in reasons and since is not None:
            humans.append(Human(since, FOREVER, "idle", idle_at=instant))
            since = None
    if since is not None:
        humans.append(Human(since, FOREVER, ""))
    return humans


def known_to_an_episode_begun(humans: Sequence[Human], first_sign_ms: int) -> list[Human]:
    """U1: human time that an idle `ended` left open never closes for its episode, and is nothing to later ones."""
    return [human for human in humans if human.idle_at >= first_sign_ms]


def episodes_of(events: Sequence[Record], humans: Sequence[Human]) -> list[Episode]:
    """U3. The signs of an instant come before the `ended` of that instant, which closes an episode at or after its last sign."""
    episodes: list[Episode] = []
    last_event_ms = max(event.time_ms for event in events)
    for instant, here in by_instant(events):
        signs = [event for event in here if is_sign(event)]
        if signs:
            take_signs(episodes, instant, signs, humans, last_event_ms)
        reasons = {event.word for event in here if event.type == "conversation.ended"}
        if reasons and episodes:
            take_ended(episodes, instant, min(reasons, key=REASONS.index), humans)
    return episodes


def take_signs(episodes: list[Episode], instant: int, signs: list[Record], humans: Sequence[Human], last_event_ms: int) -> None:
    """U3: the signs of one instant prolong the episode, add nothing (grace), or begin a new one."""
    if episodes:
        episode = episodes[-1]
        if episode.ended_at is not None:
            if instant - episode.ended_at <= END_GRACE_MS:
                return
        elif silence_ms(episode, instant, humans) <= SILENCE_MAX_MS:
            episode.signs.extend(signs)
            return
    episodes.append(Episode(signs, None, "", last_event_ms))


def take_ended(episodes: list[Episode], instant: int, reason: str, humans: Sequence[Human]) -> None:
    """U3: the first `ended` within the silence closes the episode."""
    episode = episodes[-1]
    if episode.ended_at is None and silence_ms(episode, instant, humans) <= SILENCE_MAX_MS:
        episodes[-1] = episode._replace(ended_at=instant, ended_reason=reason)


def silence_ms(episode: Episode, instant: int, humans: Sequence[Human]) -> int:
    """The bot clock from the episode's last sign."""
    known = known_to_an_episode_begun(humans, episode.signs[0].time_ms)
    return bot_clock(known, episode.last_sign_ms, instant)


def counted_for(episode: Episode, humans: Sequence[Human]) -> list[Human]:
    """U2: human time that begins after the episode's `ended` (none: after te) does not count."""
    last_ms = episode.te if episode.ended_at is None else episode.ended_at
    known = known_to_an_episode_begun(humans, episode.signs[0].time_ms)
    return [human for human in known if human.begin <= last_ms]


def anchor(episode: Episode, humans: Sequence[Human]) -> int | None:
    """U4: t0, or None when nothing is billed."""
    spoken = [sign.time_ms for sign in episode.signs if sign.type != "conversation.transferred"]
    if not spoken:
        return None
    u = min(spoken)
    around = [human for human in humans if human.begin <= u < human.end]
    if around:
        (human,) = around
        return human.end if human.closed_by == "returned" and human.end < episode.te else None
    with_a_human_to_the_end = any(human.closed_by == "ended" and human.begin < u == human.end for human in humans)
    return None if u == episode.te and with_a_human_to_the_end else u


def session_count(clock_ms: int) -> int:
    """U6: max(1, ceil(B / 15 min))."""
    return max(1, -(-clock_ms // QUARTER_MS))


def part_of(clock_ms: int) -> int:
    """U6: the k whose part (15(k-1), 15k] holds this reading; the first holds 0 too."""
    return session_count(clock_ms)


def window(k: int, episode: Episode, humans: Sequence[Human], t0: int, clock_ms: int) -> tuple[int, int, str]:
    """U7: start, end, and U13: why it ends there."""
    start = t0 if k == 1 else moves_past(humans, t0, (k - 1) * QUARTER_MS)
    if episode.ended_by_someone and clock_ms < k * QUARTER_MS:
        end = first_instant(humans, t0, clock_ms)
        assert end is not None
        return start, end, "U7:ended"
    full = first_instant(humans, t0, k * QUARTER_MS)
    return (start, stops_at(humans, t0), "U7:stopped") if full is None else (start, full, "U7:full")


def message_ids(episode: Episode, humans: Sequence[Human], t0: int) -> dict[int, str]:
    """U10: k → the message id of session k."""
    found: dict[int, tuple[int, str]] = {}
    for sign in episode.signs:
        if sign.type != "conversation.message" or sign.time_ms < t0 or any(h.begin <= sign.time_ms < h.end for h in humans):
            continue
        k = part_of(bot_clock(humans, t0, sign.time_ms))
        found[k] = min(found.get(k, (FOREVER, "")), (sign.time_ms, sign.message_id))
    return {k: message_id for k, (_, message_id) in found.items()}


def bill(episode: Episode, all_humans: Sequence[Human]) -> Billed | None:
    """U4-U7, U10: the sessions of one episode."""
    humans = counted_for(episode, all_humans)
    t0 = anchor(episode, humans)
    if t0 is None:
        return None
    clock_ms = bot_clock(humans, t0, episode.te)
    texts = message_ids(episode, humans, t0)
    sessions = []
    for k in range(1, session_count(clock_ms) + 1):
        start, end, rule = window(k, episode, humans, t0, clock_ms)
        sessions.append(Session(k, start, end, bot_clock(humans, start, end), rule, texts.get(k, "")))
    return Billed(episode, humans, t0, clock_ms, sessions)


def is_published(session: Session, episode: Episode, watermark_ms: int) -> bool:
    """U8, P1. A session that ends because human time never closed waits for `human_timeout`, unless an `ended` closed the episode."""
    if episode.ended_at is not None:
        return True
    if session.rule == "U7:stopped":
        return watermark_ms > episode.last_event_ms + HUMAN_TIMEOUT_MS
    return watermark_ms > session.end


def conversation_end(billed: Billed, later_episode: bool, watermark_ms: int) -> tuple[int | None, str]:
    """C1: end and end_reason."""
    episode = billed.episode
    if episode.ended_at is not None:
        return episode.te, episode.ended_reason
    silent_at = first_instant(billed.humans, billed.t0, billed.clock_ms + SILENCE_MAX_MS)
    if silent_at is None:
        silent_at = episode.last_event_ms + HUMAN_TIMEOUT_MS
    return (episode.te, "silence") if later_episode or watermark_ms > silent_at else (None, "")


def who(signs: Iterable[Record]) -> tuple[str, str, str]:
    """U11: channel, kore_user_id, channel_user_id: each from the earliest event that has one, at one instant the smallest text."""
    events = list(signs)
    channel, kore_user_id, channel_user_id = (min(((e.time_ms, getattr(e, name)) for e in events if getattr(e, name)), default=(0, ""))[1] for name in WHO)
    return channel, kore_user_id, channel_user_id


def usage_facts(workspace_id: str, app_id: str, conversation_id: str, events: Iterable[Record], watermark_ms: int) -> list[Fact]:
    """All facts of one conversation."""
    found: list[tuple[Episode, list[Human]]] = []
    for part in parts_awake(events):
        humans = human_times(part)
        found += [(episode, humans) for episode in episodes_of(part, humans)]
    facts: list[Fact] = []
    for number, (episode, humans) in enumerate(found):
        billed = bill(episode, humans)
        if billed is not None:
            facts += episode_facts((workspace_id, app_id, conversation_id), billed, number + 1 < len(found), watermark_ms)
    return facts


def episode_facts(name: tuple[str, str, str], billed: Billed, later_episode: bool, watermark_ms: int) -> list[Fact]:
    """The published sessions of one episode, and its conversation fact once the first is published (S6)."""
    published = [session for session in billed.sessions if is_published(session, billed.episode, watermark_ms)]
    if not published:
        return []
    whom = who(billed.episode.signs)
    facts = [usage_session(name, whom, billed.t0, session) for session in published]
    facts.append(conversation_fact(name, whom, billed, later_episode, watermark_ms))
    return facts


def usage_session(name: tuple[str, str, str], whom: tuple[str, str, str], t0: int, session: Session) -> Fact:
    return session_fact(
        billing_session_id=fact_id("usage", *name, t0, session.k),
        workspace_id=name[0],
        app_id=name[1],
        kind="usage",
        who=whom,
        conversation_id=name[2],
        conversation_start_ms=t0,
        start_ms=session.start,
        end_ms=session.end,
        bot_ms=session.bot_ms,
        message_id=session.message_id,
        rule=session.rule,
    )


def conversation_fact(name: tuple[str, str, str], whom: tuple[str, str, str], billed: Billed, later_episode: bool, watermark_ms: int) -> Fact:
    """C1."""
    end, reason = conversation_end(billed, later_episode, watermark_ms)
    return {
        "topic": EPISODES,
        "conversation_episode_id": fact_id("conversation", *name, billed.t0),
        "status": "closed",
        "workspace_id": name[0],
        "app_id": name[1],
        "channel": whom[0],
        "kore_user_id": whom[1],
        "channel_user_id": whom[2],
        "conversation_id": name[2],
        "start": instant_text(billed.t0),
        "end": maybe_text(end),
        "end_reason": reason,
        "sessions": len(billed.sessions),
        "human_ms": billed.episode.te - billed.t0 - billed.clock_ms,
    }

"""The meter of one conversation: its set of events, and what that set bills (SPEC U1-U13, C1). Pure.

State is the *set*: adding an event twice or in another order gives the same state (T6). Only what can change a bill is kept: signs, marks and ends;
of everything else the latest instant (U8) and the hours (P2). `records` walks the whole set; most user messages need no walk: see `_quiet`.
State per conversation is bounded by its eviction (T4) and by the events of about three days.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from services.events.event import Event, Kind
from services.meters.episode import END_REASON, Episode, Part, silent_at
from services.meters.hours import add_hour, sleeps
from services.meters.records import EpisodeRecord, Records, SessionRecord
from services.meters.rules import FOREVER_MS, HOUR_MS, SLEEP_HOURS_MAX, Rules
from services.meters.sets import put_once
from services.meters.walk import NOBODY, Entry, Walk

_KEPT = frozenset({Kind.STARTED_BY_USER, Kind.MESSAGE_BY_USER, Kind.TRANSFERRED, Kind.RETURNED,
                   Kind.ENDED_BY_USER, Kind.ENDED_BY_BOT, Kind.ENDED_BY_AGENT, Kind.ENDED_IDLE})  # fmt: skip
_WITHOUT_WHO = frozenset({Kind.RETURNED, Kind.ENDED_BY_USER, Kind.ENDED_BY_BOT, Kind.ENDED_BY_AGENT, Kind.ENDED_IDLE})


class Conversation:
    """The events of one conversation of one app."""

    __slots__ = ("_quiet_from", "_quiet_until", "app_id", "conversation_id", "due_ms", "entries", "hours", "human_open", "last_ms", "shown",
                 "workspace_id")  # fmt: skip

    def __init__(self, workspace_id: str, app_id: str, conversation_id: str) -> None:
        self.workspace_id, self.app_id, self.conversation_id = workspace_id, app_id, conversation_id
        self.entries: list[Entry] = []
        """Sorted, without repetition."""
        self.hours: list[int] = []
        """P2: the UTC hours that hold an event, sorted."""
        self.last_ms = -FOREVER_MS
        """The latest event of any kind."""
        self.due_ms = FOREVER_MS
        """The least watermark at which `records` says something else than at the last call."""
        self.shown = False
        """Did the last call of `records` say anything?"""
        self.human_open = False
        self._quiet_from = FOREVER_MS
        self._quiet_until = -FOREVER_MS

    def would_change(self, event: Event) -> bool:
        """Can this event change what `records` says? False is certain, True is not."""
        at, kind = event.time_ms, event.kind
        if kind is Kind.MESSAGE_BY_USER and self._quiet_from < at <= self._quiet_until:
            who = self.entries[-1][3]
            return who[0] != event.channel or who[1] != event.kore_user_id or who[2] != event.channel_user_id
        # What is not kept moves only the human timeout (U8), and, where the conversation slept, the place where it is cut (P2).
        return kind in _KEPT or self.human_open or not self.hours or self.hours[-1] - self.hours[0] > SLEEP_HOURS_MAX

    def add(self, event: Event) -> None:
        """Put one event into the set."""
        at, kind = event.time_ms, event.kind
        add_hour(self.hours, at)
        if at > self.last_ms:
            self.last_ms = at
        if kind not in _KEPT:
            return
        message_id = event.message_id if kind is Kind.MESSAGE_BY_USER else ""
        who = NOBODY if kind in _WITHOUT_WHO else (event.channel, event.kore_user_id, event.channel_user_id)
        if self.entries and self.entries[-1][3] == who:
            who = self.entries[-1][3]
        put_once(self.entries, (at, kind, message_id, who))
        if self._quiet_from < at <= self._quiet_until:
            self._quiet_from = at

    def records(self, watermark_ms: int, rules: Rules) -> Records:
        """What is published of this conversation at a watermark (U8, S6). Sets `due_ms` and `shown`."""
        walk = self._walk(rules)
        found: Records = {}
        self.due_ms = FOREVER_MS
        self._quiet_from, self._quiet_until = FOREVER_MS, -FOREVER_MS
        for episode in walk.episodes:
            if episode.billed:
                self._episode(episode, walk, watermark_ms, rules, found)
        self.shown = bool(found)
        self.human_open = walk.human_since is not None
        return found

    def evictable_after_ms(self, rules: Rules) -> int:
        """T4: the state may go when the least log time of the source partitions is past this, and nothing is due.

        What arrives later is then at least 25 h past the last event: a new episode, as after any silence. Open human time alone
        reaches further, until P2 cuts it off: such a state is kept until what arrives is past that cut too.
        """
        kept = self.last_ms + rules.human_timeout_ms + rules.lateness_ms + HOUR_MS
        return kept + (SLEEP_HOURS_MAX + 2) * HOUR_MS - rules.human_timeout_ms if self.human_open else kept

    def _walk(self, rules: Rules) -> Walk:
        walk = Walk(rules)
        sleep = sleeps(self.hours)
        asleep = next(sleep, None)
        for at, entries in groupby(self.entries, itemgetter(0)):
            while asleep is not None and at >= asleep[1]:
                walk.sleep(asleep[0])
                asleep = next(sleep, None)
            walk.step(at, list(entries))
        if asleep is not None:
            walk.sleep(asleep[0])
        return walk

    def _episode(self, episode: Episode, walk: Walk, watermark_ms: int, rules: Rules, found: Records) -> None:
        human_since = walk.human_since if episode is walk.open else None
        last_of_human = self.last_ms if episode.human_last_ms is None else episode.human_last_ms
        parts = episode.parts(human_since)
        shown = 0
        for part in parts:
            waits = episode.closed_at is None
            open_ended = part.open_human or part.rule == "U7:stopped"
            publish_after = last_of_human + rules.human_timeout_ms if open_ended else part.end_ms
            if waits and watermark_ms <= publish_after:
                self.due_ms = min(self.due_ms, publish_after + 1)
                continue
            shown += 1
            record = self._session_record(episode, part)
            found[record.ident] = record
        if shown:
            stopped = human_since is not None or episode.human_last_ms is not None
            over_after = last_of_human + rules.human_timeout_ms if stopped else silent_at(episode, rules.silence_max_ms)
            over = episode.closed_at is not None or episode is not walk.episodes[-1] or watermark_ms > over_after
            if not over:
                self.due_ms = min(self.due_ms, over_after + 1)
            conversation = self._episode_record(episode, len(parts), over=over)
            found[conversation.ident] = conversation
            if over:
                return
        self._quiet(episode, walk, parts[-1])

    def _quiet(self, episode: Episode, walk: Walk, last: Part) -> None:
        """Between the last entry and the end of the last session's window a message of the same user changes nothing that is published:

        the count stays (U6), the window stays (U7), the message is not the session's first (U10), and nobody new is named (U11).
        """
        if episode is walk.open and walk.human_since is None and last.message_id and self.entries[-1][1] is Kind.MESSAGE_BY_USER:
            who = self.entries[-1][3]
            if (episode.channel, episode.kore_user_id, episode.channel_user_id) == who:
                self._quiet_from, self._quiet_until = self.entries[-1][0], last.end_ms

    def _session_record(self, episode: Episode, part: Part) -> SessionRecord:
        t0 = episode.t0
        assert t0 is not None
        return SessionRecord(
            ("usage", self.workspace_id, self.app_id, self.conversation_id, t0, part.k),
            self.workspace_id, self.app_id, "usage", episode.channel, episode.kore_user_id, episode.channel_user_id, self.conversation_id,
            t0, part.start_ms, part.end_ms, part.bot_ms, part.end_ms - part.start_ms - part.bot_ms, part.message_id, part.rule,
        )  # fmt: skip

    def _episode_record(self, episode: Episode, sessions: int, *, over: bool) -> EpisodeRecord:
        t0 = episode.t0
        assert t0 is not None
        reason = "" if not over else "silence" if episode.closed_as is None else END_REASON[episode.closed_as]
        return EpisodeRecord(
            ("conversation", self.workspace_id, self.app_id, self.conversation_id, t0),
            self.workspace_id, self.app_id, episode.channel, episode.kore_user_id, episode.channel_user_id, self.conversation_id,
            t0, episode.te if over else None, reason, sessions, episode.te - t0 - episode.bot_clock(),
        )  # fmt: skip

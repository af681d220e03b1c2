"""Walk the marks, signs and ends of one conversation by time, and cut it into episodes (SPEC U1-U5). Pure.

The one table of the life cycle. Within one instant the order is: marks (U1), signs (U3), an `ended` that is not idle, an idle one;
`step` is handed all entries of an instant at once, because marks of both kinds at one instant cancel each other.
Cost: constant for each entry; a walk holds its episodes and nothing of the entries themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.events.event import Kind
from services.meters.episode import Episode
from services.meters.rules import FOREVER_MS, Rules

Who = tuple[str, str, str]
"""channel, kore_user_id, channel_user_id."""

Entry = tuple[int, Kind, str, Who]
"""(time, kind, message id, who): what of an event can change the bill. Of returns and ends `who` is empty."""

NOBODY: Who = ("", "", "")


_SIGNS = frozenset({Kind.STARTED_BY_USER, Kind.MESSAGE_BY_USER, Kind.TRANSFERRED})


class Walk:
    """The state of the walk: who has the conversation, the bot clock, and the episodes so far."""

    __slots__ = ("_grace_until", "_human_total", "_rules", "episodes", "human_since", "open")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._human_total = 0
        self._grace_until = -FOREVER_MS
        self.episodes: list[Episode] = []
        self.open: Episode | None = None
        """The episode that a sign may still prolong and an `ended` close: the last one, or none."""
        self.human_since: int | None = None

    def clock(self, at_ms: int) -> int:
        """U2: the bot clock at an instant not before the last step."""
        return (at_ms if self.human_since is None else self.human_since) - self._human_total

    def sleep(self, last_ms: int) -> None:
        """P2: the conversation slept so long that what follows is a conversation of its own, begun with the bot."""
        if self.open is not None and self.human_since is not None:
            self.open.gap(self.human_since, None)
            self.open.human_last_ms = last_ms
        self.open = self.human_since = None
        self._human_total = 0

    def step(self, at_ms: int, entries: Sequence[Entry]) -> None:
        """All entries of one instant, which must be later than those before."""
        kinds = {entry[1] for entry in entries}
        ended = min((kind for kind in kinds if Kind.ENDED_BY_USER <= kind <= Kind.ENDED_BY_AGENT), default=None)
        self._mark(at_ms, kinds, ends_here=ended is not None)
        signs = [entry for entry in entries if entry[1] in _SIGNS]
        if signs and at_ms > self._grace_until:
            self._sign(self._episode_for(at_ms), at_ms, signs, ends_here=ended is not None)
        if ended is not None:
            self._end(at_ms, ended)
        if Kind.ENDED_IDLE in kinds:
            self._end(at_ms, Kind.ENDED_IDLE)

    def _mark(self, at_ms: int, kinds: set[Kind], *, ends_here: bool) -> None:
        """U1. Human time that an `ended` closes at the very instant at which it began is empty: it never was."""
        transferred, returned = Kind.TRANSFERRED in kinds, Kind.RETURNED in kinds
        if transferred == returned:
            return
        if transferred and self.human_since is None and not ends_here:
            self.human_since = at_ms
        elif returned and self.human_since is not None:
            if self.open is not None and self.open.t0 is None and self.open.u is not None:
                self.open.t0, self.open.t0_clock = at_ms, self.clock(at_ms)
            self._close_human(at_ms, at_ms)

    def _close_human(self, at_ms: int, for_episode_ms: int | None) -> None:
        """Give the conversation back to the bot; for the open episode human time lasts until `for_episode_ms` (None: for good)."""
        begin = self.human_since
        assert begin is not None
        if self.open is not None:
            self.open.gap(begin, for_episode_ms)
        self._human_total += at_ms - begin
        self.human_since = None

    def _episode_for(self, at_ms: int) -> Episode:
        """U3: the episode that a sign at this instant belongs to, a new one where it begins one."""
        if self.open is None or self.clock(at_ms) - self.open.clock_last > self._rules.silence_max_ms:
            self.open = Episode(at_ms)
            self.episodes.append(self.open)
        return self.open

    def _sign(self, episode: Episode, at_ms: int, signs: Sequence[Entry], *, ends_here: bool) -> None:
        """U4, U10, U11: what the user did at this instant."""
        episode.last_ms, episode.clock_last = at_ms, self.clock(at_ms)
        for entry in signs:
            episode.saw(at_ms, entry[3])
        if episode.u is None and any(entry[1] is not Kind.TRANSFERRED for entry in signs):
            episode.u = at_ms
            if self.human_since is None:
                episode.t0, episode.t0_clock = at_ms, episode.clock_last
        if self.human_since is None or ends_here:
            message_id = min((entry[2] for entry in signs if entry[1] is Kind.MESSAGE_BY_USER), default=None)
            if message_id is not None:
                episode.messages.append((episode.clock_last, message_id))

    def _end(self, at_ms: int, kind: Kind) -> None:
        """U1, U3, U5: the conversation goes back to the bot, and an episode that is not silent for too long is closed."""
        idle = kind is Kind.ENDED_IDLE
        if self.human_since is not None:
            self._close_human(at_ms, None if idle else at_ms)
        if self.open is None or (clock := self.clock(at_ms)) - self.open.clock_last > self._rules.silence_max_ms:
            return
        self.open.closed_at, self.open.closed_as = at_ms, kind
        if not idle:
            self.open.clock_last = clock
        self.open = None
        self._grace_until = at_ms + self._rules.end_grace_ms

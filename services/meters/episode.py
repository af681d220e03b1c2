"""One episode of a conversation and what it bills (SPEC U4-U7, U10). Pure; made by `walk`, read by `usage`.

Bot clocks here are absolute readings of the conversation's clock C(t) = t - (human time before t); only differences mean anything.
"""

from __future__ import annotations

from typing import NamedTuple

from services.events.event import Kind
from services.meters.rules import QUARTER_MS

END_REASON = {Kind.ENDED_BY_USER: "user", Kind.ENDED_BY_BOT: "bot", Kind.ENDED_BY_AGENT: "agent", Kind.ENDED_IDLE: "idle"}


class Part(NamedTuple):
    """Session k of an episode: U7's instants and U13's reason. `open_human`: the end is where the clock stands now (U8)."""

    k: int
    start_ms: int
    end_ms: int
    bot_ms: int
    message_id: str
    rule: str
    open_human: bool


class Episode:
    """What the walk has learnt of one episode. Times in ms; `None` where nothing is known yet."""

    __slots__ = ("channel", "channel_user_id", "clock_last", "closed_as", "closed_at", "first_ms", "gaps", "human_last_ms",
                 "kore_user_id", "last_ms", "messages", "t0", "t0_clock", "u", "who_ms")  # fmt: skip

    def __init__(self, first_ms: int) -> None:
        self.first_ms = first_ms
        """The first sign."""
        self.last_ms = first_ms
        """The last sign so far."""
        self.clock_last = 0
        """The bot clock there; once an `ended` that is not idle closed the episode, the clock at te."""
        self.u: int | None = None
        """U4: the earliest `started` by the user or user message."""
        self.t0: int | None = None
        self.t0_clock = 0
        self.gaps: list[tuple[int, int | None]] = []
        """Human time from t0 on as [a, b); b is None when it never closes for this episode (U1)."""
        self.messages: list[tuple[int, str]] = []
        """(bot clock, id) of the user messages outside human time, by time."""
        self.closed_at: int | None = None
        """The instant of the `ended` that closed it, and its kind (U3, U5)."""
        self.closed_as: Kind | None = None
        self.human_last_ms: int | None = None
        """P2: set when the conversation slept with human time open: no event of it after this instant."""
        self.channel = self.kore_user_id = self.channel_user_id = ""
        self.who_ms: list[int] = [0, 0, 0]

    def gap(self, begin_ms: int, end_ms: int | None) -> None:
        """Human time [begin, end) of this episode; end None: it never closes. What is before t0 does not matter."""
        if self.t0 is not None and begin_ms >= self.t0:
            self.gaps.append((begin_ms, end_ms))

    def saw(self, at_ms: int, who: tuple[str, str, str]) -> None:
        """U11: keep each field of the earliest sign that has it; at one instant the smallest text."""
        for i, (name, value) in enumerate(zip(("channel", "kore_user_id", "channel_user_id"), who, strict=True)):
            known = getattr(self, name)
            if value and (not known or (self.who_ms[i] == at_ms and value < known)):
                setattr(self, name, value)
                self.who_ms[i] = at_ms

    @property
    def billed(self) -> bool:
        """U4: is there a t0? One that is the end of human time counts only when te is later."""
        return self.t0 is not None and (self.t0 == self.u or self.te > self.t0)

    @property
    def ended_at(self) -> int | None:
        """The `ended` as te (U5): only one that is not idle."""
        return self.closed_at if self.closed_as is not Kind.ENDED_IDLE else None

    @property
    def te(self) -> int:
        """U5."""
        ended = self.ended_at
        return self.last_ms if ended is None else ended

    def bot_clock(self) -> int:
        """U6: B, the bot clock from t0 to te."""
        return self.clock_last - self.t0_clock

    def sessions(self) -> int:
        """U6."""
        return max(1, -(-self.bot_clock() // QUARTER_MS))

    def parts(self, human_since: int | None) -> list[Part]:
        """The sessions, U6-U7 and U10. `human_since`: where human time is open now for this episode, else None."""
        assert self.t0 is not None
        count, total, ended = self.sessions(), self.bot_clock(), self.ended_at is not None
        runs = _Runs(self.t0, self.gaps, human_since)
        ids = self._message_ids(count)
        parts = []
        start = self.t0
        for k in range(1, count + 1):
            full = k * QUARTER_MS
            goal = min(full, total) if ended else full
            end, reached = runs.first_instant(goal)
            rule = "U7:full" if reached == full else "U7:ended" if reached == goal else "U7:stopped"
            open_human = reached < goal and human_since is not None
            parts.append(Part(k, start, end, reached - full + QUARTER_MS, ids[k - 1], rule, open_human))
            if k < count:
                start = runs.moves_past(full)
        return parts

    def _message_ids(self, count: int) -> list[str]:
        """U10: the first message of each part of the clock."""
        ids = [""] * count
        for clock, message_id in self.messages:
            k = max(0, -(-(clock - self.t0_clock) // QUARTER_MS) - 1)
            if k < count and not ids[k]:
                ids[k] = message_id
        return ids


class _Runs:
    """The stretches in which the clock runs, read forwards once: clock (from t0) to instant."""

    def __init__(self, t0: int, gaps: list[tuple[int, int | None]], human_since: int | None) -> None:
        self._gaps = [*gaps, (human_since, None)] if human_since is not None else gaps
        self._next = 0
        self._from = t0
        self._clock = 0

    def first_instant(self, goal: int) -> tuple[int, int]:
        """The first instant the clock reads `goal` and `goal`; or where the clock stopped for good, and what it reads there."""
        return self._seek(goal, past=False)

    def moves_past(self, clock: int) -> int:
        """The first instant from which the clock moves past `clock`: never inside human time."""
        return self._seek(clock, past=True)[0]

    def _seek(self, goal: int, past: bool) -> tuple[int, int]:
        while self._next < len(self._gaps):
            begin, end = self._gaps[self._next]
            read = self._clock + begin - self._from
            if goal < read or (goal == read and not past):
                break
            if end is None:
                return begin, read
            self._from, self._clock = end, read
            self._next += 1
        return self._from + goal - self._clock, goal


def silent_at(episode: Episode, silence_max_ms: int) -> int:
    """C1: the instant at which the bot clock is `silence_max` past te. Human time is not open."""
    assert episode.t0 is not None
    return _Runs(episode.t0, episode.gaps, None).first_instant(episode.bot_clock() + silence_max_ms)[0]

"""The presences of one workspace: quarters are passed in order at the cost of who comes and goes in them, and a past one can be looked at again (SPEC S2, S3).

Who is there when a quarter begins is carried from the quarter before, so that a quarter costs its edges and not its presences: a team of 20,000 agents costs
no more an event than one of 200. Pure. Bounded by the presences that are put in and not taken out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from services.meters.logins import Presence
from services.meters.rules import FOREVER_MS, QUARTER_MS
from services.meters.seats import Edge, Held, Peak, counted, quarter_of, scopes_of, swept


class Timeline:
    """Presences by quarter. The quarters before `head_ms` are passed."""

    __slots__ = ("_begun", "_coming", "_ending", "_held", "_login_max_ms", "head_ms")

    def __init__(self, login_max_ms: int, watermark_ms: int = -FOREVER_MS) -> None:
        self._login_max_ms = login_max_ms
        self.head_ms = quarter_of(watermark_ms - 1)
        self._begun: dict[int, set[Presence]] = {}
        """Quarter, passed → the presences that began in it."""
        self._coming: dict[int, set[Presence]] = {}
        """Quarter, not passed → the presences that begin in it."""
        self._ending: dict[int, set[Presence]] = {}
        """Quarter, not passed → the presences whose last millisecond lies in it."""
        self._held: dict[str, Held] = {}
        """Scope → who is there just before the head and at it."""

    def add(self, presence: Presence) -> None:
        """Put a presence in. An empty one is nobody's."""
        if presence.start_ms < presence.end_ms:
            quarter = quarter_of(presence.start_ms)
            (self._begun if quarter < self.head_ms else self._coming).setdefault(quarter, set()).add(presence)
            if presence.end_ms > self.head_ms:
                self._ending.setdefault(quarter_of(presence.end_ms - 1), set()).add(presence)
                if quarter < self.head_ms:
                    self._hold(presence)

    def remove(self, presence: Presence) -> None:
        """Take out one that was put in."""
        if presence.start_ms < presence.end_ms:
            quarter = quarter_of(presence.start_ms)
            _discard(self._begun if quarter < self.head_ms else self._coming, quarter, presence)
            if presence.end_ms > self.head_ms:
                _discard(self._ending, quarter_of(presence.end_ms - 1), presence)
                if quarter < self.head_ms:
                    self._let_go(presence)

    def next_quarter(self) -> int | None:
        """The first quarter with an agent that is not passed."""
        return self.head_ms if self._held else min(self._coming, default=None)

    def pass_to(self, watermark_ms: int) -> Iterator[tuple[int, list[Peak]]]:
        """Pass the quarters whose end the watermark has passed (P1): each with an agent, and its peaks. To be run to its end."""
        while (quarter := self.next_quarter()) is not None and quarter + QUARTER_MS < watermark_ms:
            yield quarter, swept(quarter, self._edges(quarter), self._held)
            self.head_ms = quarter + QUARTER_MS
            self._ending.pop(quarter, None)
            if begun := self._coming.pop(quarter, None):
                self._begun[quarter] = begun
        self.head_ms = max(self.head_ms, quarter_of(watermark_ms - 1))

    def look(self, quarter: int) -> list[Peak]:
        """The peaks of a quarter that is passed, from all who were there."""
        first = quarter_of(quarter - self._login_max_ms)
        begun = (self._begun.get(start, ()) for start in range(first, quarter + QUARTER_MS, QUARTER_MS))
        return counted((presence for some in begun for presence in some if presence.end_ms > quarter), quarter)

    def _edges(self, quarter: int) -> dict[str, list[Edge]]:
        """By scope: who comes and goes in a quarter that is not passed."""
        edges: dict[str, list[Edge]] = defaultdict(list)
        for presence in self._coming.get(quarter, ()):
            for scope in scopes_of(presence):
                edges[scope].append((presence.start_ms, 1, presence.agent_id))
        for presence in self._ending.get(quarter, ()):
            for scope in scopes_of(presence):
                edges[scope].append((presence.end_ms, 0, presence.agent_id))
        return edges

    def _hold(self, presence: Presence) -> None:
        for scope in scopes_of(presence):
            held = self._held.setdefault(scope, {})
            held[presence.agent_id] = held.get(presence.agent_id, 0) + 1

    def _let_go(self, presence: Presence) -> None:
        for scope in scopes_of(presence):
            held = self._held[scope]
            held[presence.agent_id] -= 1
            if not held[presence.agent_id]:
                del held[presence.agent_id]
                if not held:
                    del self._held[scope]


def _discard(quarters: dict[int, set[Presence]], quarter: int, presence: Presence) -> None:
    quarters[quarter].remove(presence)
    if not quarters[quarter]:
        del quarters[quarter]

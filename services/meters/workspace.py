"""The seats of one workspace: logins, assignments, and the peak of every quarter (SPEC S1-S6). Pure.

Only what a batch or the watermark touches is recomputed: the login ids with new events, those whose start or end the watermark passes, and the
quarters that the watermark passes or that a late change reaches. A quarter looks at the presences that began in the 24 h before its end.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from heapq import heappop, heappush

from services.events.event import Event, Kind
from services.meters.assignments import Assignment, assignment_records
from services.meters.logins import Login, Presence, login_records
from services.meters.records import Change, Records, changes
from services.meters.rules import FOREVER_MS, HOUR_MS, QUARTER_MS, Rules
from services.meters.seats import peaks, quarter_of

Subject = tuple[str, ...]
"""(login id,) or (app id, agent id): whose records are to be looked at."""


class Workspace:
    """Every login and assignment of one workspace that can still change."""

    __slots__ = ("_alarms", "_timeline", "assignments", "due_ms", "logins", "workspace_id")

    def __init__(self, workspace_id: str) -> None:
        self.workspace_id = workspace_id
        self.logins: dict[str, Login] = {}
        self.assignments: dict[tuple[str, str], Assignment] = {}
        self.due_ms = FOREVER_MS
        """The least watermark at which there is something to publish."""
        self._timeline: list[Presence] = []
        """All presences, sorted: by start first."""
        self._alarms: list[tuple[int, Subject]] = []
        """Heap of (start or end of a login or assignment, whose)."""

    def advance(self, events: Iterable[Event], from_ms: int, to_ms: int, rules: Rules) -> list[Change]:
        """Put events into the set and move the watermark from `from_ms` to `to_ms`: what is to be published."""
        events = list(events)
        touched: set[Subject] = {_subject(event) for event in events}
        while self._alarms and self._alarms[0][0] < to_ms:
            touched.add(heappop(self._alarms)[1])
        before: Records = {}
        after: Records = {}
        old = self._look(touched, from_ms, rules, before)
        for event in events:
            self._add(event)
        new = self._look(touched, to_ms, rules, after)
        moved = old ^ new
        late = {quarter for presence in moved for quarter in _quarters(presence, from_ms)}
        self._peaks(late, rules, before)
        for presence in old - new:
            self._timeline.pop(bisect_left(self._timeline, presence))
        for presence in new - old:
            insort(self._timeline, presence)
        self._peaks(late | self._passed(from_ms, to_ms, rules), rules, after)
        self._set_alarms(touched, to_ms, rules)
        return changes(before, after)

    def restore(self, watermark_ms: int, rules: Rules) -> None:
        """After the sets were filled from a snapshot: rebuild what is derived from them."""
        self._timeline = sorted(presence for login in self.logins.values() for presence in login.presences(rules))
        self._alarms = []
        self._set_alarms({(login_id,) for login_id in self.logins} | set(self.assignments), watermark_ms, rules)

    def forget(self, least_log_ms: int, watermark_ms: int, rules: Rules) -> bool:
        """T4: drop what no event can change any more; False when nothing is left."""
        horizon = min(least_log_ms - rules.lateness_ms - HOUR_MS, watermark_ms)
        for login in list(self.logins.values()):
            if login.last_ms + rules.login_timeout_ms < horizon:
                del self.logins[login.login_id]
            else:
                login.forget(horizon - rules.login_timeout_ms, rules)
        for key, assignment in list(self.assignments.items()):
            assignment.forget(horizon)
            if not assignment.marks:
                del self.assignments[key]
        self.restore(watermark_ms, rules)
        return bool(self.logins or self.assignments)

    def _look(self, subjects: set[Subject], watermark_ms: int, rules: Rules, found: Records) -> set[Presence]:
        """The records of some subjects at a watermark, and the presences of those that are logins."""
        presences: set[Presence] = set()
        for subject in subjects:
            if len(subject) == 2 and (assignment := self.assignments.get((subject[0], subject[1]))) is not None:
                found.update(assignment_records(self.workspace_id, assignment, watermark_ms))
            elif len(subject) == 1 and (login := self.logins.get(subject[0])) is not None:
                mine = login.presences(rules)
                found.update(login_records(self.workspace_id, mine, watermark_ms))
                presences.update(mine)
        return presences

    def _add(self, event: Event) -> None:
        at = event.time_ms
        if event.kind in (Kind.ASSIGNED, Kind.UNASSIGNED):
            key = (event.app_id, event.agent_id)
            self.assignments.setdefault(key, Assignment(*key)).add(at, assigned=event.kind is Kind.ASSIGNED)
            return
        login = self.logins.setdefault(event.subject, Login(event.subject))
        if event.kind is Kind.LOGGED_IN:
            login.add_login(at, event.agent_id, event.app_ids)
        else:
            login.add_logout(at)

    def _peaks(self, quarters: set[int], rules: Rules, found: Records) -> None:
        for quarter in quarters:
            found.update(peaks(self.workspace_id, quarter, self._near(quarter, quarter + QUARTER_MS, rules)))

    def _near(self, from_ms: int, to_ms: int, rules: Rules) -> list[Presence]:
        """The presences that overlap [from, to)."""
        first = bisect_left(self._timeline, (from_ms - rules.login_timeout_ms,))
        last = bisect_left(self._timeline, (to_ms,))
        return [presence for presence in self._timeline[first:last] if presence.end_ms > from_ms]

    def _passed(self, from_ms: int, to_ms: int, rules: Rules) -> set[int]:
        """The quarters with an agent whose end the watermark passes on its way (P1: from <= end < to)."""
        if to_ms <= from_ms or not self._timeline:
            return set()
        first = max(from_ms - QUARTER_MS, self._timeline[0].start_ms - QUARTER_MS)
        found: set[int] = set()
        for presence in self._near(first, to_ms, rules):
            found.update(q for q in _quarters(presence, to_ms) if q + QUARTER_MS >= from_ms)
        return found

    def _set_alarms(self, subjects: set[Subject], watermark_ms: int, rules: Rules) -> None:
        for subject in subjects:
            edges: list[int | None] = []
            if len(subject) == 1 and (login := self.logins.get(subject[0])) is not None:
                edges = [edge for presence in login.presences(rules) for edge in presence[:2]]
            elif len(subject) == 2 and (assignment := self.assignments.get((subject[0], subject[1]))) is not None:
                edges = [edge for interval in assignment.intervals() for edge in interval]
            for edge in edges:
                if edge is not None and edge >= watermark_ms:
                    heappush(self._alarms, (edge, subject))
        self.due_ms = min(self._alarms[0][0] + 1 if self._alarms else FOREVER_MS, self._next_quarter(watermark_ms, rules))

    def _next_quarter(self, watermark_ms: int, rules: Rules) -> int:
        """The watermark that passes the next quarter in which somebody is present."""
        near = bisect_left(self._timeline, (watermark_ms - rules.login_timeout_ms - QUARTER_MS,))
        ends = []
        for presence in self._timeline[near:]:
            if presence.start_ms > watermark_ms:
                ends.append(quarter_of(presence.start_ms) + QUARTER_MS)
                break
            if presence.end_ms >= watermark_ms - QUARTER_MS:
                # The quarter that the watermark is in; at its very end, that quarter is not passed yet.
                ends.append(quarter_of(watermark_ms - 1) + QUARTER_MS)
                break
        return min(ends, default=FOREVER_MS) + 1 if ends else FOREVER_MS


def _subject(event: Event) -> Subject:
    return (event.app_id, event.agent_id) if event.kind in (Kind.ASSIGNED, Kind.UNASSIGNED) else (event.subject,)


def _quarters(presence: Presence, watermark_ms: int) -> Iterable[int]:
    """The quarters that a presence touches and the watermark has passed."""
    if presence.start_ms >= presence.end_ms:
        return range(0)
    return range(quarter_of(presence.start_ms), min(presence.end_ms, watermark_ms - QUARTER_MS), QUARTER_MS)

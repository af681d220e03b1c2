"""The seats of one workspace: logins, assignments, and the peak of every quarter (SPEC S1-S6). Pure.

Only what a batch or the watermark touches is looked at: the login ids and assignments with new events, those whose start or end the watermark passes, and the
quarters that the watermark passes or that a late change reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from services.events.event import Event, Kind
from services.meters.alarms import Alarms
from services.meters.assignments import Assignment, assignment_records
from services.meters.logins import Login, Presence, login_records
from services.meters.records import Change, Records, changes
from services.meters.rules import FOREVER_MS, HOUR_MS, QUARTER_MS, Rules
from services.meters.seats import peak_records, quarter_of
from services.meters.timeline import Timeline

Subject = tuple[str, ...]
"""(login id,) or (app id, agent id): whose records are to be looked at."""


class Workspace:
    """Every login and assignment of one workspace that can still change."""

    __slots__ = ("_alarms", "_ended", "_expiring", "_repeated", "_rules", "_timeline", "assignments", "due_ms", "logins", "workspace_id")

    def __init__(self, workspace_id: str, rules: Rules) -> None:
        self.workspace_id, self._rules = workspace_id, rules
        self.logins: dict[str, Login] = {}
        self.assignments: dict[tuple[str, str], Assignment] = {}
        self.due_ms = FOREVER_MS
        """The least watermark at which there is something to publish."""
        self._begin(-FOREVER_MS)

    def _begin(self, watermark_ms: int) -> None:
        """What is derived from the sets, when they are empty."""
        self._timeline = Timeline(self._rules.login_timeout_ms, watermark_ms)
        self._alarms = Alarms[Subject]()
        """The next start or end that the watermark passes, of every login and assignment."""
        self._expiring: list[tuple[int, str]] = []
        """Heap of (last event or earlier, login id): each login once."""
        self._repeated: set[str] = set()
        """Login ids with several logins: something of them may be dropped before all is."""
        self._ended: set[tuple[str, str]] = set()
        """(app id, agent id) of assignments that are more than one mark which lasts."""

    def restore(self, watermark_ms: int) -> None:
        """After the sets were filled from a snapshot: rebuild what is derived from them."""
        self._begin(watermark_ms)
        for login in self.logins.values():
            for presence in login.presences():
                self._timeline.add(presence)
        self._expiring = sorted((login.last_ms, login.login_id) for login in self.logins.values())
        self._repeated = {login.login_id for login in self.logins.values() if len(login.logins) > 1}
        self._ended = {key for key, assignment in self.assignments.items() if not assignment.lasts}
        self._set_alarms({(login_id,) for login_id in self.logins} | set(self.assignments), watermark_ms)

    def advance(self, events: Iterable[Event], from_ms: int, to_ms: int) -> list[Change]:
        """Put events into the set and move the watermark from `from_ms` to `to_ms`: what is to be published."""
        events = list(events)
        spoken: set[Subject] = {_subject(event) for event in events}
        touched = spoken.union(self._alarms.ring(to_ms))
        before: Records = {}
        after: Records = {}
        self._look(touched, from_ms, before)
        if events:
            old = self._presences(spoken)
            for event in events:
                self._add(event)
            self._move(old, self._presences(spoken), before, after)
        self._look(touched, to_ms, after)
        for quarter, peaks in self._timeline.pass_to(to_ms):
            after.update(peak_records(self.workspace_id, quarter, peaks))
        self._set_alarms(touched, to_ms)
        return changes(before, after)

    def forget(self, least_log_ms: int, watermark_ms: int) -> bool:
        """T4: drop what no event can change any more; False when nothing is left."""
        horizon = min(least_log_ms - self._rules.lateness_ms - HOUR_MS, watermark_ms)
        past_ms = horizon - self._rules.login_timeout_ms
        while self._expiring and self._expiring[0][0] < past_ms:
            login = self.logins[heappop(self._expiring)[1]]
            if login.last_ms < past_ms:
                self._drop(login)
            else:
                heappush(self._expiring, (login.last_ms, login.login_id))
        for login_id in self._repeated:
            self._trim(self.logins[login_id], past_ms)
        self._repeated = {login_id for login_id in self._repeated if len(self.logins[login_id].logins) > 1}
        for key in self._ended:
            self.assignments[key].forget(horizon)
            if not self.assignments[key].marks:
                del self.assignments[key]
        self._ended = {key for key in self._ended if key in self.assignments and not self.assignments[key].lasts}
        return bool(self.logins or self.assignments)

    def _look(self, subjects: Iterable[Subject], watermark_ms: int, found: Records) -> None:
        """The records of some subjects at a watermark."""
        for subject in subjects:
            if len(subject) == 2 and (assignment := self.assignments.get((subject[0], subject[1]))) is not None:
                found.update(assignment_records(self.workspace_id, assignment, watermark_ms))
            elif len(subject) == 1 and (login := self.logins.get(subject[0])) is not None:
                found.update(login_records(self.workspace_id, login.presences(), watermark_ms))

    def _presences(self, subjects: Iterable[Subject]) -> set[Presence]:
        found: set[Presence] = set()
        for subject in subjects:
            if len(subject) == 1 and (login := self.logins.get(subject[0])) is not None:
                found.update(login.presences())
        return found

    def _add(self, event: Event) -> None:
        at = event.time_ms
        if event.kind in (Kind.ASSIGNED, Kind.UNASSIGNED):
            key = (event.app_id, event.agent_id)
            assignment = self.assignments.setdefault(key, Assignment(*key))
            assignment.add(at, assigned=event.kind is Kind.ASSIGNED)
            if not assignment.lasts:
                self._ended.add(key)
            return
        login = self.logins.get(event.subject)
        if login is None:
            login = self.logins[event.subject] = Login(event.subject, self._rules)
            heappush(self._expiring, (at, login.login_id))
        if event.kind is Kind.LOGGED_IN:
            login.add_login(at, event.agent_id, event.app_ids)
        else:
            login.add_logout(at)
        if len(login.logins) > 1:
            self._repeated.add(login.login_id)

    def _move(self, old: set[Presence], new: set[Presence], before: Records, after: Records) -> None:
        """Other presences than before: the peaks of the passed quarters that this changes, as they were and as they are."""
        gone, come = old - new, new - old
        late = {quarter for start, end in _changed(gone, come) for quarter in range(quarter_of(start), min(end, self._timeline.head_ms), QUARTER_MS)}
        self._peaks(late, before)
        for presence in gone:
            self._timeline.remove(presence)
        for presence in come:
            self._timeline.add(presence)
        self._peaks(late, after)

    def _peaks(self, passed: Iterable[int], found: Records) -> None:
        for quarter in passed:
            found.update(peak_records(self.workspace_id, quarter, self._timeline.look(quarter)))

    def _drop(self, login: Login) -> None:
        for presence in login.presences():
            self._timeline.remove(presence)
        del self.logins[login.login_id]
        self._repeated.discard(login.login_id)
        self._alarms.set((login.login_id,), FOREVER_MS)

    def _trim(self, login: Login, past_ms: int) -> None:
        old = login.presences()
        login.forget(past_ms)
        for presence in set(old).difference(login.presences()):
            self._timeline.remove(presence)

    def _set_alarms(self, subjects: Iterable[Subject], watermark_ms: int) -> None:
        for subject in subjects:
            edges: Iterable[int | None] = ()
            if len(subject) == 1 and (login := self.logins.get(subject[0])) is not None:
                edges = [edge for presence in login.presences() for edge in presence[:2]]
            elif len(subject) == 2 and (assignment := self.assignments.get((subject[0], subject[1]))) is not None:
                edges = [edge for interval in assignment.intervals() for edge in interval]
            self._alarms.set(subject, min((edge for edge in edges if edge is not None and edge >= watermark_ms), default=FOREVER_MS))
        quarter = self._timeline.next_quarter()
        self.due_ms = min(self._alarms.next_ms() + 1, FOREVER_MS if quarter is None else quarter + QUARTER_MS + 1)


def _subject(event: Event) -> Subject:
    return (event.app_id, event.agent_id) if event.kind in (Kind.ASSIGNED, Kind.UNASSIGNED) else (event.subject,)


def _changed(gone: Iterable[Presence], come: Iterable[Presence]) -> Iterator[tuple[int, int]]:
    """[start, end) of what differs: a presence that only ends elsewhere differs between its two ends."""
    ends = {presence[:1] + presence[2:]: presence.end_ms for presence in gone}
    for presence in come:
        end = ends.pop(presence[:1] + presence[2:], presence.start_ms)
        yield min(end, presence.end_ms), max(end, presence.end_ms)
    for presence in gone:
        if presence[:1] + presence[2:] in ends:
            yield presence.start_ms, presence.end_ms

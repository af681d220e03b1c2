"""Assignments of one agent to one app (SPEC S5, S8). Pure; the set of marks, and the intervals they make."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from services.meters.records import AssignmentRecord, Records
from services.meters.sets import put_once


class Assignment:
    """The marks (time, assigned or not) of one (app, agent), sorted, without repetition."""

    __slots__ = ("agent_id", "app_id", "marks")

    def __init__(self, app_id: str, agent_id: str) -> None:
        self.app_id, self.agent_id = app_id, agent_id
        self.marks: list[tuple[int, bool]] = []

    def add(self, at_ms: int, *, assigned: bool) -> None:
        """Put a mark into the set."""
        put_once(self.marks, (at_ms, assigned))

    @property
    def lasts(self) -> bool:
        """One mark, and it lasts: there is nothing to forget."""
        return len(self.marks) == 1 and self.marks[0][1]

    def intervals(self) -> list[tuple[int, int | None]]:
        """S8: [start, end); end None: it lasts."""
        found: list[tuple[int, int | None]] = []
        since: int | None = None
        for at, group in groupby(self.marks, itemgetter(0)):
            here = {assigned for _, assigned in group}
            if here == {True} and since is None:
                since = at
            elif here == {False} and since is not None:
                found.append((since, at))
                since = None
        return found if since is None else [*found, (since, None)]

    def forget(self, horizon_ms: int) -> None:
        """Drop what no mark at or after the horizon can change: all before the last interval that began before it."""
        begun = [interval for interval in self.intervals() if interval[0] < horizon_ms]
        if not begun or (begun[-1][1] is not None and begun[-1][1] < horizon_ms):
            self.marks = [mark for mark in self.marks if mark[0] >= horizon_ms]
        else:
            self.marks = [mark for mark in self.marks if mark[0] >= begun[-1][0] and (mark[0] > begun[-1][0] or mark[1])]


def assignment_records(workspace_id: str, assignment: Assignment, watermark_ms: int) -> Records:
    """S6, S7: a fact when the watermark has passed the start, with its end when it has passed that."""
    found: Records = {}
    for start, end in assignment.intervals():
        if watermark_ms > start:
            ident = ("assignment", workspace_id, assignment.app_id, assignment.agent_id, start)
            shown_end = end if end is not None and watermark_ms > end else None
            found[ident] = AssignmentRecord(ident, workspace_id, assignment.app_id, assignment.agent_id, start, shown_end)
    return found

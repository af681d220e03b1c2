"""Seats by example (SPEC S1-S4, and §1's numbers), as data. Rule: a case is presences and the seats expected, each in a workspace of its own.

A presence is `who span [in app+app]`; `a1..a50` are fifty agents. A span `0-8h` has a login and a logout, `0-` a login alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from tests.spec.timeline import T0_MS, CloudEvent, instant, offset_ms, slug, span

PRESENCE: Final = re.compile(r"(?P<who>[a-z]+[0-9]*)(?:\.\.[a-z]+(?P<last>[0-9]+))? (?P<span>[0-9]\S*)(?: in (?P<apps>\S+))?")


@dataclass(frozen=True)
class SeatCase:
    """Agents of one workspace over a range, and its seats."""

    rule: str
    name: str
    presences: str
    concurrent: int
    named: int
    concurrent_of_app: dict[str, int] = field(default_factory=dict)
    quarters: str = ""
    """The workspace's quarters as `minute:peak@minute/agents` from t0; empty: not looked at."""

    @property
    def slug(self) -> str:
        """The case's name as an id: of the test, and of the workspace."""
        return slug(self.rule, self.name)

    @property
    def expected_quarters(self) -> list[tuple[int, int, int, int]]:
        """Quarter, peak, peak_at, agents; times in milliseconds from t0."""
        rows = [] if self.quarters == "none" else [re.split("[:@/]", row) for row in self.quarters.split(", ")]
        return [(offset_ms(quarter), int(peak), offset_ms(peak_at), int(agents)) for quarter, peak, peak_at, agents in rows]

    def events(self, t0_ms: int = T0_MS) -> list[CloudEvent]:
        """In order of time."""
        events: list[CloudEvent] = []
        for place, presence in enumerate(self.presences.split(", ")):
            events += presence_events(presence, self.slug, place, t0_ms)
        return sorted(events, key=lambda event: str(event["time"]))


def presence_events(presence: str, workspace_id: str, place: int, t0_ms: int) -> list[CloudEvent]:
    match = PRESENCE.fullmatch(presence)
    if match is None:
        raise ValueError(f"no presence: {presence!r}; write `ann 0-480` or `a1..a50 0-8h in shop+bank`")
    is_open = match["span"].endswith("-")
    start, end = (offset_ms(match["span"][:-1]), None) if is_open else span(match["span"])
    events = []
    for agent in agents(match["who"], match["last"]):
        data: dict[str, Any] = {"workspace_id": workspace_id, "agent_id": agent, "app_ids": (match["apps"] or "shop").split("+")}
        login_id = f"{agent}-{place}"
        events.append(login_event("agent.logged_in", t0_ms + start, login_id, data))
        events += [] if end is None else [login_event("agent.logged_out", t0_ms + end, login_id, data)]
    return events


def agents(first: str, last: str | None) -> list[str]:
    if last is None:
        return [first]
    letters, number = first.rstrip("0123456789"), int(first.lstrip("abcdefghijklmnopqrstuvwxyz"))
    return [f"{letters}{i}" for i in range(number, int(last) + 1)]


def login_event(kind: str, time_ms: int, login_id: str, data: dict[str, Any]) -> CloudEvent:
    event_id = f"{data['workspace_id']}/{login_id}/{kind}"
    return {"specversion": "1.0", "id": event_id, "source": "examples", "type": kind, "time": instant(time_ms), "subject": login_id, "data": data}


@dataclass(frozen=True)
class MarkCase:
    """Marks of one login id (S1), or of one agent and app (S8), and the presences they make: `in ann 0, out 5`; `assigned 0, unassigned 9`."""

    rule: str
    name: str
    marks: str
    presences: str
    """`ann 0-5, bob 24h-`; open ones end with the hyphen; `none`."""
    watermark: str = ""
    """From t0; empty: past everything."""

    @property
    def slug(self) -> str:
        """The case's name as an id: of the test, and of the workspace."""
        return slug(self.rule, self.name)

    @property
    def watermark_ms(self) -> int | None:
        """From t0."""
        return offset_ms(self.watermark) if self.watermark else None

    @property
    def expected(self) -> list[tuple[str, int, int | None]]:
        """Agent, start, end of each presence, in milliseconds from t0."""
        rows = [] if self.presences == "none" else [row.split() for row in self.presences.split(", ")]
        return [(agent, offset_ms(text[:-1]), None) if text.endswith("-") else (agent, *span(text)) for agent, text in rows]

    def events(self, t0_ms: int = T0_MS) -> list[CloudEvent]:
        """As written."""
        return [mark_event(mark.split(), self.slug, place, t0_ms) for place, mark in enumerate(self.marks.split(", "))]


MARKS: Final = {"in": "agent.logged_in", "out": "agent.logged_out", "assigned": "agent.assigned", "unassigned": "agent.unassigned"}


def mark_event(mark: list[str], workspace_id: str, place: int, t0_ms: int) -> CloudEvent:
    """`in ann 0` and `assigned 0`: without a name it is ann."""
    kind, agent, when = MARKS[mark[0]], mark[1] if len(mark) == 3 else "ann", mark[-1]
    data = {"workspace_id": workspace_id, "app_id": "shop", "agent_id": agent}
    return login_event(kind, t0_ms + offset_ms(when), "login-1", data) | {"id": f"{workspace_id}/{place}"}


SEAT_CASES: Final = (
    SeatCase("§1", "100 agents in three shifts", "a1..a34 0-8h, a35..a67 8h-16h, a68..a100 16h-24h", concurrent=34, named=100),
    SeatCase("§1", "150 agents in three shifts of 50", "a1..a50 0-8h, a51..a100 8h-16h, a101..a150 16h-24h", concurrent=50, named=150),
    SeatCase("S1", "of two shifts that meet the first is gone", "ann 0-7, bob 7-14", 1, 2, quarters="0:1@0/2"),
    SeatCase("S1", "a millisecond together is two seats", "ann 0-7+1ms, bob 7-14", 2, 2, quarters="0:2@7/2"),
    SeatCase("S2", "one agent on two devices is one agent", "ann 0-10, ann 5-12", 1, 1, {"shop": 1}, "0:1@0/1"),
    SeatCase("S2", "one agent in two apps is one in each", "ann 0-10 in shop+bank, bob 2-3 in shop", 2, 2, {"shop": 2, "bank": 1}),
    SeatCase("S2", "the workspace's peak is no sum of its apps'", "ann 0-5 in shop, bob 5-10 in bank", 1, 2, {"shop": 1, "bank": 1}),
    SeatCase("S3", "the peak is at its earliest instant", "ann 0-40, bob 3-5, cid 20-21, dan 22-23", 2, 4, quarters="0:2@3/2, 15:2@20/3, 30:1@30/1"),
    SeatCase("S3", "a logout at the quarter's edge", "ann 10-15", 1, 1, quarters="0:1@10/1"),
    SeatCase("S3", "a logout a millisecond after the quarter's edge", "ann 10-15+1ms", 1, 1, quarters="0:1@10/1, 15:1@15/1"),
    SeatCase("S3", "a login at the quarter's last instant", "ann 15-1ms-15", 1, 1, quarters="0:1@15-1ms/1"),
    SeatCase("S7", "a presence of no length counts in no quarter", "ann 5-5", 0, 0, quarters="none"),
    SeatCase("S1", "a login without a logout lasts for a day", "ann 0-, bob 24h-1ms-24.5h, cid 24h-24.5h", 2, 3),
)

MARK_CASES: Final = (
    MarkCase("S1", "a login ends at its logout", "in ann 0, out 5", "ann 0-5"),
    MarkCase("S1", "the earliest logout counts", "in ann 0, out 9, out 5", "ann 0-5"),
    MarkCase("S1", "a logout before the login is not its own", "out 0, in ann 1", "ann 1-1441"),
    MarkCase("S1", "a logout at the instant of the login", "in ann 5, out 5", "ann 5-5"),
    MarkCase("S1", "a logout alone counts for nothing", "out 5", "none"),
    MarkCase("S1", "a login lasts for a day at most", "in ann 0, out 24h+1ms", "ann 0-24h"),
    MarkCase("S1", "a second login within a day does not count", "in ann 0, out 5, in bob 24h", "ann 0-5"),
    MarkCase("S1", "a login later than a day is a new one", "in ann 0, out 5, in bob 24h+1ms, out 24.5h", "ann 0-5, bob 24h+1ms-24.5h"),
    MarkCase("S1", "a login is measured from the first that counted", "in ann 0, in bob 20h, in cid 30h, out 31h", "ann 0-24h, cid 30h-31h"),
    MarkCase("S1", "at one instant the smallest agent", "in bob 0, in ann 0, out 5", "ann 0-5"),
    MarkCase("S7", "a login that starts at the watermark has no fact", "in ann 5, out 6", "none", "5"),
    MarkCase("S7", "its end is empty while the watermark stands at it", "in ann 5, out 6", "ann 5-", "6"),
    MarkCase("S7", "and known once the watermark has passed it", "in ann 5, out 6", "ann 5-6", "6+1ms"),
    MarkCase("S8", "an assignment ends", "assigned 0, unassigned 9", "ann 0-9"),
    MarkCase("S8", "an assignment stays open", "assigned 0", "ann 0-"),
    MarkCase("S8", "a mark that changes nothing is ignored", "unassigned 0, assigned 1, assigned 2, unassigned 3, unassigned 4", "ann 1-3"),
    MarkCase("S8", "both marks at one instant leave it as it was", "assigned 0, unassigned 5, assigned 5, unassigned 9", "ann 0-9"),
    MarkCase("S8", "both marks at one instant begin nothing", "assigned 0, unassigned 0", "none"),
    MarkCase("S8", "assigned again", "assigned 0, unassigned 5, assigned 7", "ann 0-5, ann 7-"),
    MarkCase("S7", "an assignment's end waits for the watermark", "assigned 0, unassigned 5", "ann 0-", "5"),
    MarkCase("S7", "an assignment's end once the watermark has passed it", "assigned 0, unassigned 5", "ann 0-5", "5+1ms"),
)

"""The seats of one quarter: the most agents at one instant, that instant, and how many there were in all, in every scope (SPEC S2, S3). Pure, without state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from services.meters.logins import Presence
from services.meters.records import PeakRecord, Records
from services.meters.rules import QUARTER_MS

WHOLE_WORKSPACE = ""
"""The scope beside the apps. Its peak is counted from logins, never from the apps' peaks (S2)."""

Peak = tuple[str, int, int, int]
"""(scope, peak, its earliest instant, distinct agents)."""

Edge = tuple[int, int, str]
"""(instant, 1 = begins, agent). Ends sort before beginnings at one instant: of two presences that meet, the first is gone (S1)."""

Held = dict[str, int]
"""Agent → how many presences they have at one time: as many as devices. Nobody has none."""


def quarter_of(at_ms: int) -> int:
    """The start of the quarter that holds an instant."""
    return at_ms - at_ms % QUARTER_MS


def scopes_of(presence: Presence) -> Iterable[str]:
    """S2: the workspace, and each of its apps once."""
    return {WHOLE_WORKSPACE, *presence.app_ids}


def peak_records(workspace_id: str, quarter_ms: int, found: Iterable[Peak]) -> Records:
    """S3: a record for every scope with an agent in the quarter."""
    records: Records = {}
    for scope, peak, peak_at, agents in found:
        ident = ("peak", workspace_id, scope, quarter_ms)
        records[ident] = PeakRecord(ident, workspace_id, scope, quarter_ms, peak, peak_at, agents)
    return records


def swept(quarter_ms: int, edges: dict[str, list[Edge]], held: dict[str, Held]) -> list[Peak]:
    """The peaks of a quarter from who was there before it and who comes and goes in it, by scope. `held` becomes who is there after it."""
    found = []
    for scope in sorted(held.keys() | edges.keys()) if edges else sorted(held):
        if scope not in edges:
            # Most quarters of most scopes: nobody comes or goes.
            agents = len(held[scope])
            found.append((scope, agents, quarter_ms, agents))
            continue
        present = held.setdefault(scope, {})
        found.append((scope, *_sweep(quarter_ms, edges[scope], present)))
        if not present:
            del held[scope]
    return found


def counted(presences: Iterable[Presence], quarter_ms: int) -> list[Peak]:
    """The peaks of a quarter from all presences that touch it."""
    end_ms = quarter_ms + QUARTER_MS
    edges: dict[str, list[Edge]] = defaultdict(list)
    for presence in presences:
        start, end = max(presence.start_ms, quarter_ms), min(presence.end_ms, end_ms)
        if start < end:
            for scope in scopes_of(presence):
                edges[scope] += (start, 1, presence.agent_id), (end, 0, presence.agent_id)
    return swept(quarter_ms, edges, {})


def _sweep(quarter_ms: int, edges: list[Edge], present: Held) -> tuple[int, int, int]:
    """(peak, its earliest instant, distinct agents). A beginning only adds, so the count after the last one of an instant is the count at that instant."""
    peak, peak_at, agents = len(present), quarter_ms, len(present)
    left: set[str] = set()
    for at, begins, agent in sorted(edges):
        held = present.get(agent, 0)
        if begins:
            present[agent] = held + 1
            agents += not held and agent not in left
            if len(present) > peak:
                peak, peak_at = len(present), at
        elif held > 1:
            present[agent] = held - 1
        else:
            del present[agent]
            left.add(agent)
    return peak, peak_at, agents

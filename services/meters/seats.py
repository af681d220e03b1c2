"""The seats of one quarter, from the presences that touch it (SPEC S2, S3). Pure, without state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from services.meters.logins import Presence
from services.meters.records import PeakRecord, Records
from services.meters.rules import QUARTER_MS
from services.native import load

WHOLE_WORKSPACE = ""
"""The scope beside the apps. Its peak is counted from logins, never from the apps' peaks (S2)."""


def quarter_of(at_ms: int) -> int:
    """The start of the quarter that holds an instant."""
    return at_ms - at_ms % QUARTER_MS


Peak = tuple[str, int, int, int]
"""(scope, peak, its earliest instant, distinct agents)."""


def peaks(workspace_id: str, quarter_ms: int, presences: list[Presence]) -> Records:
    """S3: peak, its earliest instant and the distinct agents, of every scope with an agent in the quarter."""
    native = load()
    found: list[Peak] = counted(presences, quarter_ms) if native is None else native.peaks(presences, quarter_ms)
    records: Records = {}
    for scope, peak, peak_at, agents in found:
        ident = ("peak", workspace_id, scope, quarter_ms)
        records[ident] = PeakRecord(ident, workspace_id, scope, quarter_ms, peak, peak_at, agents)
    return records


def counted(presences: Iterable[Presence], quarter_ms: int) -> list[Peak]:
    """The Python twin."""
    end_ms = quarter_ms + QUARTER_MS
    scopes: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for presence in presences:
        start, end = max(presence.start_ms, quarter_ms), min(presence.end_ms, end_ms)
        if start < end:
            for scope in {WHOLE_WORKSPACE, *presence.app_ids}:
                scopes[scope].append((start, 1, presence.agent_id))
                scopes[scope].append((end, 0, presence.agent_id))
    return [(scope, *_peak(edges), len({agent for _, _, agent in edges})) for scope, edges in sorted(scopes.items())]


def _peak(edges: list[tuple[int, int, str]]) -> tuple[int, int]:
    """Sweep the edges (instant, 1 = begins, agent): the most distinct agents at one instant, and the earliest such instant.

    Ends sort before beginnings at one instant: of two presences that meet, the first is gone (S1).
    A beginning only adds, so the count after the last beginning of an instant is the count at that instant.
    """
    held: dict[str, int] = defaultdict(int)
    present = peak = peak_at = 0
    for at, begins, agent in sorted(edges):
        if begins:
            held[agent] += 1
            present += held[agent] == 1
            if present > peak:
                peak, peak_at = present, at
        else:
            held[agent] -= 1
            present -= held[agent] == 0
    return peak, peak_at

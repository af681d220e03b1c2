"""The services on a real broker and a real ClickHouse: each alone on the same log, and all at once (end to end).

Rule: a run counts only if ClickHouse holds exactly the facts that the core makes of the same log in memory.
Time goes from a service being ready to the work being done: for the sink the last fact stored, for the others the last offset committed. Processor time
is that of the processes from ready to done, so starting an interpreter is not in it (nor in that of the peers).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.cli.offsets import Where
from services.events import topics
from services.runtime.settings import Settings
from tests.bench.measure import speed
from tests.bench.stand import Stand

_LOOK_S: Final = 0.05
_ROWS_S: Final = 0.25
_DONE_S_MAX: Final = 1_800.0
_WARM_RUNS_MAX: Final = 5
_WARM: Final = 0.9


@dataclass(slots=True)
class Rows:
    """When the number of rows last changed."""

    count: float = 0.0
    at_s: float = field(default_factory=time.monotonic)

    def saw(self, count: float) -> None:
        if count != self.count:
            self.count, self.at_s = count, time.monotonic()


def run_apart(stand: Stand, events: int, name: str, **groups: Mapping[str, object]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Ingest, processors and sink one after another; figures of each, and the facts at the end."""
    settings = stand.begin_run(name, **groups)
    try:
        found = {room: _one(stand, settings, room, events) for room in ("ingest", "processor", "sink")}
        held = stand.offsets().held(topics.FACT_TOPICS)
        facts = sum(len(range_) for where, range_ in held.items() if where[0] != topics.LEDGER)
        sink = found["sink"]
        found["sink"] = sink | {"facts": facts, "facts_per_s": round(facts / sink["wall_s"]), "cpu_us_per_fact": round(sink["cpu_s"] * 1e6 / facts, 2)}
        return found, stand.stored(settings).summary()
    finally:
        stand.end_run(settings)


def run_together(stand: Stand, events: int, name: str, workers: int = 1, **groups: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, str]]:
    """All at once, from the first raw record to the last fact stored; figures, and the facts at the end."""
    settings = stand.begin_run(name, **groups)
    try:
        for room in ("sink", *(f"processor-{number + 1}" for number in range(workers))):
            stand.serve(room, settings)
        stand.serve("ingest", settings)
        before, began_s = stand.cpu_s(), time.monotonic()
        rows, done_s = Rows(), {}
        for room in ("ingest", "processor", "sink"):
            until_done(stand, settings, room, rows)
            done_s[room] = round(time.monotonic() - began_s, 2)
        rows.saw(stand.metric("sink", "quarterhour_sink_rows_total"))
        return _together_figures(stand, events, before, rows.at_s - began_s) | {"done_s": done_s}, stand.stored(settings).summary()
    finally:
        stand.end_run(settings)


def warm_up(stand: Stand, events: int, processors: int = 1) -> None:
    """Run until the broker's Java has compiled what it needs, or five times: of one that has just begun (9.5 µs an event, and 4.1 in the third run) nobody
    wants to know."""
    before_us = math.inf
    for number in range(_WARM_RUNS_MAX):
        figures, _ = run_together(stand, events, f"warm{number}", processors)
        broker_us = figures["cpu_us_by_process"]["kafka"]
        if broker_us > _WARM * before_us:
            return
        before_us = broker_us


def _together_figures(stand: Stand, events: int, before: Mapping[str, float], wall_s: float) -> dict[str, Any]:
    spent = {name: after - before.get(name, 0.0) for name, after in stand.cpu_s().items()}
    ours = sum(cpu_s for name, cpu_s in spent.items() if name not in stand.parts)
    return speed(events, wall_s, ours) | {
        "cpu_us_by_process": {name: round(cpu_s * 1e6 / events, 2) for name, cpu_s in sorted(spent.items())},
        "peak_rss_mib": stand.peak_rss_mib(),
    }


def _one(stand: Stand, settings: Settings, room: str, events: int) -> dict[str, Any]:
    """One room on all that its topics hold."""
    pid_name = "processor-1" if room == "processor" else room
    stand.serve(pid_name, settings)
    before, began_s, rows = stand.cpu_s(), time.monotonic(), Rows()
    until_done(stand, settings, room, rows)
    if room == "sink":
        rows.saw(stand.metric("sink", "quarterhour_sink_rows_total"))
    wall_s = (rows.at_s if room == "sink" else time.monotonic()) - began_s
    cpu_s = stand.cpu_s()[pid_name] - before[pid_name]
    found = speed(events, wall_s, cpu_s) | {"peak_rss_mib": stand.peak_rss_mib()[pid_name], "wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2)}
    stand.stop(pid_name)
    return found


def until_done(stand: Stand, settings: Settings, room: str, rows: Rows) -> None:
    """Until a room has committed what its topics hold now."""
    group, names = _READS[room]
    offsets, looked_s = stand.offsets(), 0.0
    goal = {where: range_.stop for where, range_ in offsets.held(names).items() if len(range_)}
    deadline = time.monotonic() + _DONE_S_MAX
    while _behind(goal, offsets.committed(group(settings), goal)):
        stand.require_living()
        if time.monotonic() > deadline:
            raise RuntimeError(f"{room} was not done in {_DONE_S_MAX:.0f} s")
        if "sink" in stand.processes and time.monotonic() - looked_s > _ROWS_S:
            rows.saw(stand.metric("sink", "quarterhour_sink_rows_total"))
            looked_s = time.monotonic()
        time.sleep(_LOOK_S)


def _behind(goal: Mapping[Where, int], committed: Mapping[Where, int]) -> bool:
    return any(committed.get(where, 0) < end for where, end in goal.items())


_READS: Final[dict[str, tuple[Callable[[Settings], str], tuple[str, ...]]]] = {
    "ingest": (lambda settings: settings.ingest.group_id, topics.RAW_TOPICS),
    "processor": (lambda settings: settings.processors.app_id, (topics.BATCHES,)),
    "sink": (lambda settings: settings.sink.group_id, topics.FACT_TOPICS),
}

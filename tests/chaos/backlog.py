"""`python -m tests.chaos.backlog`: each service alone on a backlog of ten million events, and the memory that it takes for that; then a slow ClickHouse.

Everything is written before anybody works, and one room begins when the one before it is done: ingest finds all of it on the raw topics, a processor all of
it on the batches topic, the sink all facts on the aggregate topics. What ClickHouse holds in the end is compared with the core over the same log.
Exit code 1 when a process took more memory than its figure, when facts differ, or when a slow ClickHouse slowed the metering.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.events import topics
from services.runtime.settings import Settings
from tests.bench import core
from tests.bench.measure import in_child, machine
from tests.bench.pipeline import Rows, run_apart, until_done
from tests.bench.stand import Stand, stand
from tests.bench.workload import Workload
from tests.chaos.proxy import LOOPBACK, Proxy
from tests.parts.ports import free_port
from tests.pipeline.stack import PORTS

TARGETS_MIB: Final = {"ingest": 500, "processor": 1_000, "sink": 600}
"""Peak resident memory of one process, whatever the backlog."""
SLOW_EVENTS: Final = 200_000
SLOW_BYTES_PER_S: Final = 20_000
SLOWED_MAX: Final = 1.5
"""Metering beside a slow ClickHouse may take so many times what it takes beside a quick one: it has the processor to itself, or the sink's retries."""
POLL: Final = 4_000
EPOCH: Final = 50_000


@dataclass(slots=True)
class Result:
    """What was measured, and what is wrong with it in words."""

    events: int
    rooms: dict[str, dict[str, Any]] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    facts: int = 0
    problems: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.backlog")
    parser.add_argument("--events", type=int, default=10_000_000, help="default: %(default)s")
    parser.add_argument("--report", type=Path, help="write the figures here, as Markdown")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quarterhour-backlog-") as place, stand(Path(place), free_port(PORTS)) as ours:
        result = run(ours, arguments.events)
    if arguments.report:
        arguments.report.write_text(as_markdown(result))
    print(as_markdown(result))
    return 1 if result.problems else 0


def run(ours: Stand, events: int) -> Result:
    result, load = Result(events), Workload(events)
    _say(f"writing {events:,} events")
    ours.fill(load)
    _say("each room alone")
    result.rooms, stored = run_apart(ours, events, "backlog")
    result.facts = result.rooms["sink"]["facts"]
    result.problems += [
        f"{room}: {result.rooms[room]['peak_rss_mib']:,.0f} MiB, the figure is {most:,} MiB"
        for room, most in TARGETS_MIB.items()
        if result.rooms[room]["peak_rss_mib"] > most
    ]
    _say("the core over the same log")
    right = in_child(core.run_fold, load, POLL, EPOCH, None)["facts"]
    result.problems += [f"{topic}: stored {stored.get(topic)}, the core says {right.get(topic)}" for topic in right if stored.get(topic) != right[topic]]
    _say("a slow ClickHouse")
    ours.fill(Workload(SLOW_EVENTS, seed=2))
    result.slow = {"quick_s": _metered_s(ours, slow=False)["metered_s"]} | _metered_s(ours, slow=True)
    if result.slow["metered_s"] > SLOWED_MAX * result.slow["quick_s"]:
        result.problems.append(f"a slow ClickHouse slowed the metering: {result.slow}")
    if not result.slow["behind"]:
        result.problems.append("the slow ClickHouse was not slow: every fact was stored when the metering was done")
    return result


def _metered_s(ours: Stand, *, slow: bool) -> dict[str, float]:
    """Seconds until all is metered, with a sink at work whose way to ClickHouse is slow or good; then until all is stored, over a good one."""
    port = free_port()
    with Proxy(port, _port_of(ours.settings), slow_bytes_per_s=SLOW_BYTES_PER_S) as proxy, _begun(ours, "slow" if slow else "quick") as settings:
        if slow:
            proxy.become("slow")
        ours.serve("sink", _through(settings, port))
        ours.serve("processor-1", settings)
        ours.serve("ingest", settings)
        began_at, rows = time.monotonic(), Rows()
        for room in ("ingest", "processor"):
            until_done(ours, settings, room, rows)
        metered_s = time.monotonic() - began_at
        behind = _facts(ours) - ours.metric("sink", "quarterhour_sink_rows_total")
        proxy.become("good")
        until_done(ours, settings, "sink", rows)
        return {
            "metered_s": round(metered_s, 1),
            "behind": behind,
            "stored_s": round(time.monotonic() - began_at, 1),
            "sink_mib": ours.peak_rss_mib()["sink"],
        }


@contextmanager
def _begun(ours: Stand, name: str) -> Iterator[Settings]:
    settings = ours.begin_run(name)
    try:
        yield settings
    finally:
        ours.end_run(settings)


def _facts(ours: Stand) -> int:
    held = ours.offsets().held(topics.FACT_TOPICS)
    return sum(len(offsets) for where, offsets in held.items() if where[0] != topics.LEDGER)


def _through(settings: Settings, port: int) -> Settings:
    return settings.model_copy(update={"clickhouse": settings.clickhouse.model_copy(update={"url": f"http://{LOOPBACK}:{port}"})})


def _port_of(settings: Settings) -> int:
    return int(settings.clickhouse.url.rpartition(":")[2])


def as_markdown(result: Result) -> str:
    found = "\n".join(f"- {problem}" for problem in result.problems) or "Every fact in ClickHouse is the core's; every process stayed below its figure."
    rows = [_row(room, result.rooms[room]) for room in TARGETS_MIB]
    where = machine()
    slow = result.slow
    return "\n".join([
        "# A backlog, and the memory that it takes",
        "",
        f"`make backlog EVENTS={result.events}`: {result.events:,} events written before anybody works, then one room after the other, each on all of it. "
        f"{result.facts:,} records of facts. {where['cpu']}, {where['cores']} cores.",
        "",
        found,
        "",
        "| process | events a second | µs of processor time an event | peak resident MiB | its figure |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        f"A slow ClickHouse ({SLOW_BYTES_PER_S // 1000} KB/s; {SLOW_EVENTS:,} events): metering took {slow['metered_s']:.1f} s, "
        f"beside a quick one {slow['quick_s']:.1f} s; the sink was {slow['behind']:,.0f} facts behind then, and took {slow['sink_mib']:.0f} MiB at most.",
        "",
    ])  # fmt: skip


def _row(room: str, figures: Mapping[str, Any]) -> str:
    return f"| {room} | {figures['events_per_s']:,} | {figures['cpu_us_per_event']:.1f} | {figures['peak_rss_mib']:,.0f} | {TARGETS_MIB[room]:,} |"


def _say(what: str) -> None:
    print(json.dumps({"at": round(time.monotonic()), "now": what}), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

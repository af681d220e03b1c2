"""The command line: a campaign (`--seeds 10000`), a replay (`--seed 7 --faults 1,3`), or the hunt for a planted bug (`--planted NAME`)."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import structlog

from tests.simulation.planted import BUGS, Planted
from tests.simulation.report import as_markdown
from tests.simulation.run import Case, Report, live, live_all, shrink
from tests.simulation.world import Parts

TELL_EVERY_S = 10.0
SHRUNK_MAX = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing wrong."""
    asked = _parse(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    planted: Planted | None = next((bug for bug in BUGS if bug.name == asked.planted), None)
    parts = planted.parts() if planted else Parts()
    with planted.around() if planted else nullcontext():
        if asked.seed is not None:
            return _replay(Case(asked.seed, asked.events, asked.faults, asked.salt), parts, smaller=asked.shrink)
        return _campaign(range(asked.first, asked.first + asked.seeds), parts, asked.report)


def _campaign(seeds: range, parts: Parts, written: Path | None) -> int:
    print(f"seeds {seeds.start} to {seeds.stop - 1}", flush=True)
    began_s = told_s = time.monotonic()
    gc.set_threshold(50_000, 20, 100)

    def tell(report: Report) -> None:
        nonlocal told_s
        if report.failures and report.failures[-1][0].seed == seeds.start + report.worlds - 1:
            print(f"seed {report.failures[-1][0].seed}: {report.failures[-1][1][:600]}", flush=True)
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            print(f"{report.worlds:,} of {len(seeds):,} worlds, {len(report.failures)} failed, {report.worlds / report.cpu_s:.1f} a CPU second", flush=True)

    report = live_all(seeds, parts, tell)
    for case, _ in report.failures[:SHRUNK_MAX]:
        print(f"smaller: python -m tests.simulation {shrink(case, parts)}", flush=True)
    for name, count in sorted(report.counted.items()):
        print(f"  {count:>9,}  {name}")
    print(
        f"{report.worlds:,} worlds, {report.turns:,} turns, {len(report.failures)} failed; "
        f"{report.cpu_s:.0f} CPU s, {time.monotonic() - began_s:.0f} s, {report.worlds / max(report.cpu_s, 0.001):.1f} worlds a CPU second"
    )
    if written is not None:
        written.write_text(as_markdown(report, seeds))
    return 1 if report.failures else 0


def _replay(case: Case, parts: Parts, *, smaller: bool) -> int:
    world, failure = live(case, parts)
    if failure is not None and smaller:
        case = shrink(case, parts)
        print(f"smaller: python -m tests.simulation {case}")
        world, failure = live(case, parts)
    for number, event in enumerate(world.events):
        if case.events is None or number in case.events:
            print(f"event {number:>3}  {event.at_ms}  {event.topic}  {event.value.decode(errors='replace')}")
    for number, fault in enumerate(world.faults):
        if case.faults is None or number in case.faults:
            print(f"fault {number:>3}  turn {fault.at_turn:>4}  {fault.room}: {fault.kind}  (after {fault.after}, {fault.turns} turns, {fault.ms} ms)")
    print(f"{world.turns} turns: {failure or 'nothing wrong'}")
    return 0 if failure is None else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--report", type=Path, help="write what the campaign came to here")
    parser.add_argument("--seed", type=int, help="replay this one, and tell what happens in it")
    parser.add_argument("--events", type=_numbers, help="of its events only these, e.g. 0,4,5 (none: none)")
    parser.add_argument("--faults", type=_numbers, help="of its faults only these")
    parser.add_argument("--salt", type=int, default=0, help="another order of turns")
    parser.add_argument("--shrink", action="store_true", help="look for a smaller case that fails too")
    parser.add_argument("--planted", choices=[bug.name for bug in BUGS], help="with this bug planted")
    return parser.parse_args(arguments)


def _numbers(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(int(number) for number in text.split(","))


if __name__ == "__main__":
    sys.exit(main())

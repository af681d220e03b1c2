"""A seeded campaign of faults under load, and its judgement. The schedule is a function of the seed; when exactly a fault hits is not.

Rule: at the end the load is finished, the log closed, and the four witnesses compared (`tests.pipeline.judge`), ClickHouse also with
`quarterhour meter` on the file that was sent. A part that does not come back in time ends the faults: a problem of the verdict, which is given all the same.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from services.runtime.settings import Settings
from tests.chaos import faults
from tests.chaos.asker import Asker
from tests.chaos.faults import Done
from tests.chaos.load import Load
from tests.chaos.proxy import Network
from tests.chaos.stage import Stage, chaos_stack
from tests.pipeline.judge import Verdict, differences, facts_of_lines, judge, stored_facts, without_rejected
from tests.pipeline.stack import quarterhour

DISKS_MB: Final = {"": 400, "kafka": 1500, "clickhouse": 700}
WAIT_S: Final = 600
KILLED: Final = ("ingest", "processor-1", "sink", "query", "clickhouse", "kafka")
PAIRS: Final = (("ingest", "processor-1"), ("sink", "clickhouse"), ("kafka", "processor-1"), ("kafka", "ingest", "sink"), ("processor-1", "clickhouse"))


PAUSES: Final = (("ingest", 20.0), ("processor-1", 20.0), ("sink", 20.0), ("kafka", 25.0), ("clickhouse", 20.0))
"""Sessions time out after 10 to 12 s."""
NETWORKS: Final[tuple[tuple[str, Network, float], ...]] = (
    ("kafka", "cut", 120.0),
    ("kafka", "cut", 5.0),
    ("kafka", "half_open", 30.0),
    ("clickhouse", "cut", 20.0),
    ("clickhouse", "half_open", 20.0),
    ("clickhouse", "slow", 20.0),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something to be done to a stack."""

    name: str
    run: Callable[[Stage], Done]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done, and on how many events."""

    seed: int
    days: int
    conversations_per_day: int
    rate: float
    single_kills: int
    long: bool
    """False: kills alone."""
    only: str = ""
    """Only faults whose name holds this text."""


@dataclass(slots=True)
class Result:
    """What happened, and what was found."""

    size: Size
    done: list[Done] = field(default_factory=list)
    verdict: Verdict = field(default_factory=lambda: Verdict({}, []))
    seconds: float = 0.0
    events: int = 0
    sent_again: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    """The machine's load average after each fault: other people's work lengthens what is measured."""

    @property
    def kills(self) -> int:
        return sum(done.kills for done in self.done)


def run_campaign(size: Size, home: Path, say: Callable[[str], None] = lambda _line: None) -> Result:
    """What went wrong, however it did, is in the verdict's problems."""
    result = Result(size)
    events = home / "events.jsonl"
    made = ["--days", str(size.days), "--conversations-per-day", str(size.conversations_per_day), "--workspaces", "5", "--seed", str(size.seed)]
    quarterhour("simulate", "--start", "2026-03-01", *made, "--noise", "--out", str(events))
    began_at = time.monotonic()
    stack = home / "stack"
    with _disks(stack, size) as mounted, chaos_stack(stack) as stage:
        problems = _hurt(size, stage, mounted, events.read_bytes().splitlines(), result, say)
        try:
            stage.stack.run("wait", "--close", "--timeout", str(WAIT_S), timeout_s=WAIT_S + 60)
            say("everything is metered and stored; comparing")
            result.verdict = judge(stage.stack)
            result.verdict.problems += _unlike_the_file(stage.stack.settings(), events)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            say(f"FAILED: {error}")
            problems.append(str(error))
    result.verdict.problems += problems
    result.verdict.problems += [
        f"the query service answered {count} times with {status}" for status, count in result.answers.items() if status.startswith("wrong")
    ]
    result.seconds = time.monotonic() - began_at
    return result


def _hurt(size: Size, stage: Stage, mounted: bool, lines: list[bytes], result: Result, say: Callable[[str], None]) -> list[str]:
    """One fault after the other under load, until they are done or a part does not come back; what went wrong."""
    say(f"{len(lines):,} events at {size.rate:g} a second; seed {size.seed}")
    problems = []
    with Load(stage.stack.settings(), lines, size.rate) as load, Asker(stage) as asker:
        try:
            stage.until_works("processor-1", faults.BACK_S)
            stage.until_works("sink", faults.BACK_S)
            for fault in schedule(size, stage, mounted):
                result.done.append(_done(fault, stage, load, say))
                result.loads.append(os.getloadavg()[0])
            load.finish(WAIT_S)
        except AssertionError as error:
            say(f"FAILED: {error}")
            problems.append(str(error))
    result.answers = asker.answers
    result.events, result.sent_again = load.total, load.sent_again
    return problems


def _unlike_the_file(settings: Settings, events: Path) -> list[str]:
    stored = without_rejected(stored_facts(settings))
    expected = without_rejected(facts_of_lines(quarterhour("meter", str(events)).splitlines()))
    return differences("ClickHouse", stored, "`quarterhour meter` on the file", expected)


def schedule(size: Size, stage: Stage, mounted: bool) -> Iterator[Fault]:
    """The faults in the order of the seed."""
    rng = random.Random(size.seed)
    chosen = [_kill(KILLED[number % len(KILLED)]) for number in range(size.single_kills)]
    if size.long:
        chosen += [_kill(*names) for names in PAIRS]
        chosen += [_again(name, rng.uniform(1.0, 4.0)) for name in ("processor-1", "ingest", "clickhouse")]
        chosen += [Fault("mid-insert", faults.kill_mid_insert)] * 3
        chosen += [_pause(name, seconds) for name, seconds in PAUSES]
        chosen += [Fault("workers", partial(faults.scale, killed=killed)) for killed in (True, False)]
        chosen += [_network(between, network, seconds) for between, network, seconds in NETWORKS]
        chosen += _disk_faults(stage, mounted)
    rng.shuffle(chosen)
    for fault in chosen:
        if size.only in fault.name:
            time.sleep(rng.uniform(0.2, 2.0))
            yield fault


def _kill(*names: str) -> Fault:
    return Fault(f"kill {' '.join(names)}", lambda stage: faults.kill(stage, *names))


def _again(name: str, gap_s: float) -> Fault:
    return Fault(f"kill {name} again", partial(faults.kill_again, name=name, times=3, gap_s=gap_s))


def _pause(name: str, seconds: float) -> Fault:
    return Fault(f"pause {name}", partial(faults.pause, name=name, seconds=seconds))


def _network(between: str, network: Network, seconds: float) -> Fault:
    return Fault(f"network {between} {network}", partial(faults.bad_network, between=between, network=network, seconds=seconds))


def _disk_faults(stage: Stage, mounted: bool) -> list[Fault]:
    home = stage.plan.data_dir
    if not mounted:
        return [Fault(f"disk {name}", partial(faults.file_limit, name=name, seconds=15.0)) for name in ("kafka", "clickhouse", "postgres")]
    places = {"kafka": home / "kafka", "clickhouse": home / "clickhouse", "data directory": home}
    return [Fault(f"disk {name}", partial(faults.full_disk, name=name, place=place, seconds=20.0)) for name, place in places.items()]


def _done(fault: Fault, stage: Stage, load: Load, say: Callable[[str], None]) -> Done:
    done = fault.run(stage)
    assert load.sent < load.total, "the events ran out before the faults: give the campaign more events"
    back = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.back_s.items())
    say(f"{load.sent:>8,} sent  {done.what}{f' for {done.lasted_s:.0f} s' if done.lasted_s else ''}: {back}")
    return done


@contextmanager
def _disks(home: Path, size: Size) -> Iterator[bool]:
    if not size.long:
        yield False
        return
    with faults.disks(home, DISKS_MB) as mounted:
        try:
            yield mounted
        finally:
            # They lie on a disk that goes away.
            shutil.copytree(home / "logs", home.parent / "logs", dirs_exist_ok=True)


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

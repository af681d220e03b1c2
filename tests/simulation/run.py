"""Run worlds: one, many, or ever smaller ones that still fail. A case names a world exactly: as text it is the command line that replays it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tests.simulation.world import Kill, Parts, World

SALTS: Final = 3
"""Without one of its events a world takes another course: so many orders of turns are tried before the event is thought to be needed."""


@dataclass(frozen=True, slots=True)
class Case:
    """A seed, and what of its events and faults is kept (None: all)."""

    seed: int
    events: tuple[int, ...] | None = None
    faults: tuple[int, ...] | None = None
    salt: int = 0

    def world(self, parts: Parts | None = None) -> World:
        return World(self.seed, events=self.events, faults=self.faults, salt=self.salt, parts=parts)

    def __str__(self) -> str:
        kept = [f"--{name} {_numbers(found)}" for name, found in (("events", self.events), ("faults", self.faults)) if found is not None]
        return " ".join([f"--seed {self.seed}", *kept, *([f"--salt {self.salt}"] if self.salt else [])])


@dataclass(slots=True)
class Report:
    """What many worlds came to."""

    worlds: int = 0
    turns: int = 0
    events: int = 0
    facts: int = 0
    """Different ones that were published, revisions apart."""
    cpu_s: float = 0.0
    failures: list[tuple[Case, str]] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)


def live(case: Case, parts: Parts | None = None) -> tuple[World, str | None]:
    """The world, at its end, and what went wrong in it. An error of the simulation itself is something wrong too."""
    world = case.world(parts)
    try:
        return world, world.run()
    except Exception as error:
        return world, f"the simulation broke: {type(error).__name__}: {error}"


def live_all(seeds: Iterable[int], parts: Parts | None = None, told: Callable[[Report], None] | None = None) -> Report:
    """World after world; `told` after each."""
    report = Report()
    began_s = time.process_time()
    for seed in seeds:
        world, failure = live(Case(seed), parts)
        report.worlds += 1
        report.turns += world.turns
        report.events += len(world.events)
        report.facts += len(world.safety.seen)
        report.counted.update(world.counted)
        report.cpu_s = time.process_time() - began_s
        if failure is not None:
            report.failures.append((Case(seed), failure))
        if told is not None:
            told(report)
    return report


def first_failure(seeds: Iterable[int], parts: Parts | None = None) -> tuple[Case, str] | None:
    """The first seed that fails, and how."""
    for seed in seeds:
        failure = live(Case(seed), parts)[1]
        if failure is not None:
            return Case(seed), failure
    return None


def shrink(case: Case, parts: Parts | None = None) -> Case:
    """A smaller case that fails too: fewer faults, then fewer events, until nothing more can go."""
    events, faults = size_of(case, parts)
    case = replace(case, events=tuple(range(events)), faults=tuple(range(faults)))
    while True:
        smaller = _without(_without(case, "faults", parts), "events", parts)
        if smaller == case:
            return case
        case = smaller


def size_of(case: Case, parts: Parts | None = None) -> tuple[int, int]:
    """How many events and faults the seed names."""
    world = case.world(parts)
    world.end()
    return len(world.events), len(world.faults)


def effects_of(seed: int, room: str) -> int:
    """How many effects the first process of a room has when nothing goes wrong."""
    world = World(seed, faults=())
    first = world.of(room)[0]
    failure = world.run()
    assert failure is None, failure
    return first.effects


def killed_at(seed: int, kill: Kill) -> str | None:
    """What goes wrong when nothing happens but this kill."""
    return World(seed, faults=(), kill=kill).run()


def _without(case: Case, what: str, parts: Parts | None) -> Case:
    """Leave out half of them, a quarter, …, single ones, wherever the world still fails."""
    size = len(getattr(case, what)) // 2 or 1
    while size:
        at = 0
        while at < len(getattr(case, what)):
            kept: Sequence[int] = getattr(case, what)
            fewer = (*kept[:at], *kept[at + size :])
            smaller = _failing(replace(case, events=fewer) if what == "events" else replace(case, faults=fewer), parts)
            if smaller is None:
                at += size
            else:
                case = smaller
        size //= 2
    return case


def _failing(case: Case, parts: Parts | None) -> Case | None:
    for salt in range(case.salt, case.salt + SALTS):
        if live(replace(case, salt=salt), parts)[1] is not None:
            return replace(case, salt=salt)
    return None


def _numbers(found: Sequence[int]) -> str:
    return ",".join(map(str, found)) or "none"

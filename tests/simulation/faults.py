"""The faults of one simulated world: a list, made from the seed alone, of what goes wrong and when. Shrinking removes entries."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, Literal, NamedTuple

FaultKind = Literal[
    "kill", "slow, then killed", "nap", "zombie", "zombie at a write", "rebalance", "one more", "one less", "refused", "taken but refused", "taken twice",
    "acknowledged and forgotten", "commits get lost", "brokers away", "store away", "insert fails halfway", "message lost in the engine", "commit ahead",
]  # fmt: skip

_ANY: Final[tuple[FaultKind, ...]] = ("kill", "kill", "nap", "zombie", "rebalance", "one more", "one less", "commits get lost")
_WRITER: Final[tuple[FaultKind, ...]] = ("kill", "slow, then killed", "zombie", "refused", "taken but refused", "taken twice")
_OF_ROOM: Final[dict[str, tuple[FaultKind, ...]]] = {
    "ingest": (*_ANY, *_WRITER),
    "worker": (*_ANY, *_WRITER, "slow, then killed", "zombie at a write", "zombie at a write", "message lost in the engine"),
    "sink": (*_ANY, "store away", "insert fails halfway"),
    "consumer": ("kill",),
}
_RARE: Final[tuple[tuple[str, FaultKind], ...]] = (("ingest", "acknowledged and forgotten"), ("worker", "commit ahead"))
"""After these the product must stop and say so; a human puts it right. At most one in a world, and not in every world."""

_COUNTS: Final = (1, 2, 3, 5, 8, 13)
_ROOMS: Final = (("ingest",), ("worker",), ("ingest", "worker"), ("ingest", "worker", "worker", "sink", "consumer"), ("sink", "worker"))
_AFTER: Final = (0, 0, 1, 2, 3, 5, 8, 13, 21)
_TURNS: Final = (10, 30, 80)
_MS: Final = (50, 500, 3_000, 9_000, 60_000)


class Fault(NamedTuple):
    """At this turn of the world, to one process of this room (`pick` says which). `after`: so many effects later; `turns`, `ms`: how long."""

    at_turn: int
    room: str
    kind: FaultKind
    pick: float
    after: int
    turns: int
    ms: int


def plan(random: Random, turns: int, focus: Sequence[tuple[str, FaultKind]] = ()) -> list[Fault]:
    """The faults of one world, in order; one world in twelve has none. A world has few kinds of them, so that those meet that are rare together.

    `focus`: only these kinds, by room, and many of them.
    """
    if focus:
        return sorted(_fault(random, turns, *random.choice(focus)) for _ in range(random.choice((3, 5, 8))))
    if random.random() < 1 / 12:
        return []
    rooms = random.choice(_ROOMS)
    every = [(room, kind) for room in rooms for kind in _OF_ROOM[room]]
    kinds = [random.choice(every) for _ in range(random.choice((1, 2, 3, 5, 8)))]
    chosen = [random.choice(kinds) for _ in range(random.choice(_COUNTS))]
    if random.random() < 0.2:
        chosen.append((random.choice(rooms), "brokers away"))
    if random.random() < 0.12:
        chosen.append(random.choice(_RARE))
    return sorted(_fault(random, turns, room, kind) for room, kind in chosen)


def _fault(random: Random, turns: int, room: str, kind: FaultKind) -> Fault:
    return Fault(int(random.random() * turns), room, kind, random.random(), random.choice(_AFTER), random.choice(_TURNS), random.choice(_MS))

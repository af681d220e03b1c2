"""Safety and liveness of the product's own code in simulated worlds; the campaign of ten thousand is `make sim`."""

from __future__ import annotations

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.run import Case, effects_of, first_failure, killed_at, live, shrink, size_of
from tests.simulation.world import Kill, World

SEEDS = range(300)
CHUNK = 50
SMALL_SEED = 45
"""A world of few events, with two workers."""
STRIDE = {"ingest": 5, "worker": 5, "sink": 9, "consumer": 60}
"""Of the effects of each room's first process every so many-th: all of them take minutes."""


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, CHUNK))
def test_no_world_publishes_a_wrong_fact_and_each_comes_to_its_end(first: int) -> None:
    found = first_failure(range(first, first + CHUNK))
    assert found is None, f"python -m tests.simulation {found[0]}: {found[1]}"


@pytest.mark.parametrize("room", sorted(STRIDE))
def test_a_kill_at_any_effect_changes_nothing_in_the_end(room: str) -> None:
    for at_effect in range(0, effects_of(SMALL_SEED, room), STRIDE[room]):
        assert killed_at(SMALL_SEED, Kill(room, at_effect)) is None, f"{room} killed at its effect {at_effect}"


def history_of(seed: int) -> list[object]:
    world = World(seed)
    world.run()
    return [world.turns, world.now_ms, world.counted, {place: world.log.all(place) for place in world.log.places(world.counts)}]


def test_a_seed_names_one_history() -> None:
    assert history_of(11) == history_of(11)
    assert history_of(11) != history_of(12)


def test_a_failing_case_shrinks_to_one_that_fails_in_the_same_way_each_time() -> None:
    bug = next(bug for bug in BUGS if bug.name == "a hole in the source skipped")
    with bug.around():
        found = first_failure(range(bug.seeds), bug.parts())
        assert found is not None
        small = shrink(found[0], bug.parts())
        assert small.events is not None
        assert small.faults is not None
        assert len(small.faults) == 1
        assert len(small.events) < size_of(Case(small.seed), bug.parts())[0] / 2
        assert live(small, bug.parts())[1] == live(small, bug.parts())[1] is not None

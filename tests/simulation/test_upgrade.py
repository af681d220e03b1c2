"""Old and new code in one group, while workers are replaced one after the other."""

from __future__ import annotations

from collections import Counter

from tests.simulation.run import Case, live
from tests.simulation.upgrade import rolling

SEEDS = range(60)


def test_workers_of_two_releases_in_one_group_lose_nothing_and_say_nothing_wrong() -> None:
    counted: Counter[str] = Counter()
    for seed in SEEDS:
        world, failure = live(Case(seed), rolling())
        assert failure is None, f"{Case(seed)}: {failure}"
        counted.update(world.counted)
        counted["worlds with both"] += world.counted["worker ended: Fatal"] > 0
    assert counted["worlds with both"] > len(SEEDS) / 6, "an old worker was hardly ever given state of the next release"

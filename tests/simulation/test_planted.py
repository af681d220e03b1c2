"""The simulation finds what it is for: each of the ten planted bugs, within so many seeds."""

from __future__ import annotations

import pytest

from tests.simulation.planted import BUGS, Planted
from tests.simulation.run import first_failure


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "_"))
def test_a_planted_bug_is_found(bug: Planted) -> None:
    with bug.around():
        found = first_failure(range(bug.seeds), bug.parts())
    assert found is not None, f"{bug.seeds} worlds, and nothing noticed: {bug.name}"
    assert "the simulation broke" not in found[1]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "_"))
def test_the_faults_that_bring_it_to_light_do_no_harm_without_it(bug: Planted) -> None:
    assert first_failure(range(8), bug.parts().__class__(focus=bug.focus)) is None

"""Every release reads the batches and state records of every release before it, and says the same facts; a changed byte needs a new version."""

from __future__ import annotations

import msgspec
import pytest

from services.meters.fold import PartitionFold
from services.meters.state import open_page, unpacked
from tests.golden.scenario import HERE, PARTITIONS, THIS_RELEASE, Golden, State, fold_of, read, run, told

RELEASES = sorted(folder for folder in HERE.iterdir() if folder.name.startswith("v"))


@pytest.fixture(params=RELEASES, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return read(request.param)


def test_batches_of_a_release_give_its_facts(golden: Golden) -> None:
    folds = [fold_of(partition) for partition in range(PARTITIONS)]
    assert [told(folds[partition].apply(value, offset)) for partition, offset, value in golden.batches] == golden.facts


def test_state_of_a_release_goes_on_where_it_stood(golden: Golden) -> None:
    folds: list[PartitionFold] = []
    for partition, state in enumerate(golden.state):
        folds.append(fold_of(partition))
        folds[-1].restore(state.position, state.pages)
        assert folds[-1].next_offset() == state.next_offset
    rest = [(message, facts) for message, facts in zip(golden.batches, golden.facts, strict=True) if message[1] >= golden.state[message[0]].next_offset]
    assert sum(len(facts) for _, facts in rest) > 100
    assert [told(folds[partition].apply(value, offset)) for (partition, offset, value), _ in rest] == [facts for _, facts in rest]


def test_this_release_writes_the_bytes_of_its_versions() -> None:
    kept = read(THIS_RELEASE)
    made = run(kept.events)
    assert made.batches == kept.batches, "the batches format changed: raise BATCHES_VERSION, keep reading the old one, and write new golden files"
    assert plain(made.state) == plain(kept.state), "the state format changed: raise STATE_VERSION, keep reading the old one, and write new golden files"
    assert made.facts == kept.facts


def plain(states: list[State]) -> list[State]:
    """Another release of zstd may pack the same otherwise."""
    return [state._replace(position=_plain(state.position), pages={page: _plain_page(record) for page, record in state.pages.items()}) for state in states]


def _plain(record: bytes) -> bytes:
    return record[:8] + unpacked(record)[0]


def _plain_page(record: bytes) -> bytes:
    state, talks, settled = open_page(0, record)
    state.frames = [0] * len(settled.sizes)
    return record[:8] + msgspec.msgpack.encode((state, talks))

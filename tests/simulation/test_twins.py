"""What the simulation stands on: its event loop, its consumer groups, its producers."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.simulation.kafka import Commit, Group, Log, Member, Place, Wire
from tests.simulation.loop import SimLoop

PLACES: list[Place] = [("t", number) for number in range(4)]


def test_the_loop_runs_what_is_due_in_its_order_and_nothing_before_its_time() -> None:
    now_s, seen = [0.0], []
    loop = SimLoop(lambda: now_s[0])  # type: ignore[abstract]

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(seconds)

    tasks = [loop.create_task(sleep(seconds)) for seconds in (2.0, 1.0, 0.0)]
    for until_s in (0.0, 0.9, 1.0, 2.5):
        now_s[0] = until_s
        while loop.run_one():
            pass
        assert seen == [seconds for seconds in (0.0, 1.0, 2.0) if seconds <= until_s]
    assert all(task.done() for task in tasks)


def test_a_timeout_on_the_loop_comes_by_its_clock() -> None:
    now_s = [0.0]
    loop = SimLoop(lambda: now_s[0])  # type: ignore[abstract]

    async def wait() -> str:
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 5)
        except TimeoutError:
            return "late"
        return "in time"

    task = loop.create_task(wait())
    while loop.run_one():
        pass
    assert not task.done()
    now_s[0] = 5.0
    while loop.run_one():
        pass
    assert task.result() == "late"


def settle(group: Group, members: list[Member]) -> None:
    for _ in range(10):
        for member in members:
            change = group.sync(member)
            if change is not None and change.kind == "assign":
                group.take(member, change.places)
            elif change is not None and change.kind == "revoke":
                group.release(member, change.places)


@pytest.mark.parametrize("eager", [True, False])
def test_a_partition_has_one_owner_and_none_is_left_out(eager: bool) -> None:
    group = Group(PLACES, eager=eager, random=Random(1))
    members = [group.join() for _ in range(3)]
    settle(group, members)
    assert sorted(place for member in members for place in member.owned) == PLACES
    group.leave(members[0])
    settle(group, members[1:])
    assert sorted(place for member in members[1:] for place in member.owned) == PLACES


def test_who_is_put_out_commits_nothing_more_and_hears_of_it() -> None:
    group = Group(PLACES, eager=True, random=Random(1))
    first = group.join()
    settle(group, [first])
    group.put_out(first)
    assert group.commit(first, {PLACES[0]: Commit(5)}) == set()
    change = group.sync(first)
    assert change is not None
    assert change.kind == "lost"


def test_a_partition_is_not_given_on_before_its_owner_gave_it_up() -> None:
    group = Group(PLACES, eager=True, random=Random(1))
    first = group.join()
    settle(group, [first])
    second = group.join()
    assert group.sync(second) is None
    settle(group, [first, second])
    assert sorted(first.owned + second.owned) == PLACES


def log_of(topic: str) -> Log:
    log = Log(lambda _place, _offset, _record: None)
    log.make(topic, 1)
    return log


def test_a_refused_message_does_not_keep_the_next_one_from_being_taken() -> None:
    log, heard = log_of("t"), []
    wire = Wire(log, Random(1))
    wire.mishaps.append(("refused", ("t",)))
    for value in (b"a", b"b"):
        wire.send(("t", 0), None, value, lambda failure: heard.append(failure is None))
    while wire.carry():
        pass
    wire.hear()
    assert [record.value for record in log.all(("t", 0))] == [b"b"]
    assert heard == [False, True]


def test_of_a_dead_producer_only_a_beginning_arrives_and_nobody_hears_of_it() -> None:
    for seed in range(50):
        log = log_of("t")
        wire = Wire(log, Random(seed))
        for value in (b"a", b"b", b"c"):
            wire.send(("t", 0), None, value, lambda _failure: pytest.fail("it is dead"))
        wire.cut()
        while wire.carry():
            pass
        wire.hear()
        assert b"".join(record.value or b"" for record in log.all(("t", 0))) in (b"", b"a", b"ab", b"abc")

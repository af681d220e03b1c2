"""Liveness: the faults are over, and everything must come to its end in a bounded number of turns; then the judge has the word."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from services.cli.wait import closed_record
from services.events import topics
from services.events.batches import decode_batch
from services.meters.fold import LEDGER_EVERY_MS
from tests.reference.instants import DAY_MS
from tests.simulation.judge import facts_are_complete, verdict
from tests.simulation.kafka import Group, Place, Record

if TYPE_CHECKING:
    from tests.simulation.world import World

TURNS_MAX: Final = 6_000
PACE: Final = 4


def heal(world: World) -> None:
    """Failures are told to the world."""
    world.stop_faults(PACE)
    _close_log(world)
    if not _until(world, "the raw topics to be read", _done(world, world.raw_group, topics.RAW_TOPICS)):
        return
    if world.forgotten():
        _put_right_what_was_forgotten(world)
    world.now_ms += 2 * LEDGER_EVERY_MS
    if _until(world, "a tick after the last event", _ticked_since(world, world.now_ms)):
        _finish(world)


def _finish(world: World) -> None:
    """Room after room: all is done, and a clean stop does not lose any of it."""
    world.wanted["ingest"] = 0
    steps: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("ingest to stop", lambda: not world.of("ingest")),
        ("the batches to be metered", _done(world, world.batches_group, [topics.BATCHES])),
    )
    if not all(_until(world, what, done) for what, done in steps):
        return
    world.wanted["worker"] = 0
    steps = (
        ("the processors to stop", lambda: not world.of("worker") and not world.strays),
        ("the facts to be stored", _done(world, world.sink_group, topics.FACT_TOPICS)),
        ("the consumer to read all", lambda: all(world.consumed.get(place, 0) >= world.log.end(place) for place in world.fact_places)),
    )
    if all(_until(world, what, done) for what, done in steps):
        rows = {name: world.store.final(name) for name in world.store.rows}
        wrong = verdict(world.safety, world.shape, world.log, rows, world.kept_by_consumer)
        if wrong is not None:
            world.fail(wrong)


def _put_right_what_was_forgotten(world: World) -> None:
    """Brokers acknowledged a message and forgot it. Processors that miss a range say so, and a human lets ingest read from the beginning."""
    if world.safety.ranges_missing():
        world.counted["ranges put right by hand"] += 1
        for process in world.of("ingest"):
            process.kill()
        world.raw_group.committed.clear()
        _until(world, "the raw topics to be read again", _done(world, world.raw_group, topics.RAW_TOPICS))
    elif not facts_are_complete(world.safety, world.shape, world.log):
        world.fail("brokers forgot a message with events, and no processor misses a range")


def _close_log(world: World) -> None:
    """`wait --close`: nothing older will come."""
    closed_ms = max(world.now_ms, world.log_ms) + 5 * DAY_MS
    for place in world.log.places(topics.RAW_TOPICS):
        records = world.log.all(place)
        log_ms = records[-1].log_ms if records else world.log_ms
        world.log.append(place, Record(None, closed_record(closed_ms, f"{place[0]}/{place[1]}"), log_ms))


def _ticked_since(world: World, at_ms: int) -> Callable[[], bool]:
    """Then there is a ledger line for everything that was read before."""
    logs = [world.log.all(place) for place in world.log.places([topics.BATCHES])]
    return lambda: all(records and decode_batch(records[-1].value or b"").wall_ms >= at_ms for records in logs)


def _done(world: World, group: Group, names: Collection[str]) -> Callable[[], bool]:
    places = world.log.places(names)
    return lambda: all(_committed(world, group, place) >= world.log.end(place) for place in places)


def _committed(world: World, group: Group, place: Place) -> int:
    found = group.committed.get(place)
    return found.offset if found else world.log.low(place)


def _until(world: World, what: str, done: Callable[[], bool]) -> bool:
    """Turns until it is so; no more than liveness allows."""
    last = world.turns + TURNS_MAX
    while world.failure is None:
        for _ in range(5):
            world.turn()
        if done():
            return world.failure is None
        if world.turns > last:
            world.fail(f"no end: waited for {what}, {TURNS_MAX} turns after the last fault")
    return False

"""How a fault of the plan comes over the world, and which ends of processes it excuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.events import topics
from services.processors.exits import Exit, Fatal
from services.runtime.errors import Unavailable
from tests.simulation.faults import Fault
from tests.simulation.ingest import NotOurs
from tests.simulation.process import Ended, Process, Sleep
from tests.simulation.sink import SinkProcess
from tests.simulation.worker import STATE, WorkerProcess

if TYPE_CHECKING:
    from tests.simulation.world import World

_SLOW: Final[dict[str, tuple[tuple[str, ...], ...]]] = {"ingest": ((topics.BATCHES,),), "worker": (topics.FACT_TOPICS, (STATE,))}
_WRITES: Final = {"ingest": (topics.BATCHES, topics.REJECTED), "worker": (topics.SESSIONS, topics.EPISODES, topics.PEAKS, STATE)}
_SLEEPS: Final = ("nap", "zombie", "zombie at a write")


def strike(world: World, fault: Fault) -> None:
    """It happens, or is armed to happen at a later effect of its victim."""
    victims = [process for process in world.processes if process.kind == fault.room]
    if fault.kind == "brokers away":
        world.brokers_away_until_ms = world.now_ms + fault.ms
    elif fault.kind == "store away":
        world.store_away_until_ms = world.now_ms + fault.ms
    elif fault.kind == "commits get lost":
        world.commits_lost_until[fault.room] = world.turns + fault.turns
    elif fault.kind == "one more":
        world.wanted[fault.room] = min(3, world.wanted[fault.room] + 1)
    elif fault.kind == "one less":
        world.wanted[fault.room] = max(1, world.wanted[fault.room] - 1)
    elif fault.kind == "rebalance":
        {"ingest": world.raw_group, "worker": world.batches_group, "sink": world.sink_group}[fault.room].rebalance()
    elif victims:
        _hurt(world, victims[int(fault.pick * len(victims))], fault)


def _hurt(world: World, victim: Process, fault: Fault) -> None:
    match fault.kind:
        case "kill":
            victim.arm(fault.after, None)
        case "slow, then killed":
            victim.wire.slow_topics = _SLOW[fault.room][int(fault.pick * 97) % len(_SLOW[fault.room])]
            world.doomed.append((world.turns + 2 * fault.turns, victim))
        case "nap":
            victim.arm(fault.after, Sleep(fault.turns // 3, min(fault.ms, 2_000), put_out=False))
        case "zombie":
            victim.arm(fault.after, Sleep(fault.turns, max(fault.ms, 3_000), put_out=True))
        case "zombie at a write":
            victim.arm(0, Sleep(4 * fault.turns, max(fault.ms, 3_000), put_out=True), at="write")
        case "refused" | "taken but refused" | "taken twice":
            victim.wire.mishaps.append((fault.kind, _WRITES[fault.room]))
        case "acknowledged and forgotten":
            victim.wire.mishaps.append((fault.kind, (topics.BATCHES,)))
        case "insert fails halfway" if isinstance(victim, SinkProcess):
            victim.insert_mishaps += 1
        case "message lost in the engine" if isinstance(victim, WorkerProcess):
            victim.skip_next = True
        case "commit ahead" if isinstance(victim, WorkerProcess):
            victim.commit_ahead = True


def excused(error: BaseException, happened: set[str]) -> bool:
    """May a process end itself for this reason, after these kinds of faults?"""
    refused = not happened.isdisjoint(("refused", "taken but refused"))
    if isinstance(error, Fatal):
        if error.exit_code == Exit.PAUSED:
            return not happened.isdisjoint(_SLEEPS)
        if error.exit_code == Exit.STALLED:
            return bool(happened)
        return error.exit_code == Exit.RESTART and (refused or "message lost in the engine" in happened)
    if isinstance(error, Ended):
        return refused
    return isinstance(error, NotOurs) or (isinstance(error, Unavailable) and "brokers away" in happened)

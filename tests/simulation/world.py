"""One simulated world: the rooms of the pipeline as processes, a platform, the brokers, a store, and one seeded scheduler that gives turns.

Rule: whatever is random comes from generators made of the seed, so a seed (with what of its events and faults is kept) names one history exactly.
Safety: the judge sees every record. Liveness: after the faults stop, `heal` must come to the end in a bounded number of turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from services.events import topics
from services.ingest.ingest import Ingest
from services.ingest.ports import Ports
from services.meters.fold import PartitionFold
from services.processors.exits import Exit, Fatal
from services.processors.fold import Fold
from services.processors.state import VERSION_BYTES
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.reference.instants import HOUR_MS, MINUTE_MS
from tests.simulation.faults import FaultKind, plan
from tests.simulation.healing import heal
from tests.simulation.ingest import IngestProcess, make_ingest
from tests.simulation.judge import Kept, Safety
from tests.simulation.kafka import Group, Log, Place, Record, Wire
from tests.simulation.layout import counts_of, settings_of, shape_of
from tests.simulation.process import Gone, Process, Sleep
from tests.simulation.sink import ConsumerProcess, SinkProcess, Store
from tests.simulation.striking import excused, strike
from tests.simulation.worker import STATE, WorkerProcess
from tests.simulation.workload import Happening, happenings

WAIT_TURNS_MAX: Final = 100_000
"""Many times what any world takes."""
DEPTH_MAX: Final = 3
"""So many may sleep, or wait, one inside the other."""
ROOMS: Final[dict[str, Callable[..., Process]]] = {"ingest": IngestProcess, "worker": WorkerProcess, "sink": SinkProcess, "consumer": ConsumerProcess}
_TURNS_OF: Final = {"ingest": 2, "worker": 5, "sink": 2, "consumer": 1}
_NETWORK_TURNS: Final = 4


def make_fold(process: WorkerProcess, partition: int) -> Fold:
    """The product's own."""
    shape = process.world.shape
    return PartitionFold(shape.rules, partition, shape.pages, shape.partitions, shape.generation)


def no_excuse(_process: Process, _error: BaseException) -> bool:
    """Beyond what faults excuse."""
    return False


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the product is put in; a planted bug replaces one. `focus`: the faults that it is sensitive to; none: all.

    `excuses`: further reasons for which a process may end itself.
    """

    ingest: Callable[[Settings, Mapping[str, int], Ports], Ingest] = make_ingest
    make_fold: Callable[[WorkerProcess, int], Fold] = make_fold
    focus: tuple[tuple[str, FaultKind], ...] = ()
    excuses: Callable[[Process, BaseException], bool] = no_excuse


@dataclass(frozen=True, slots=True)
class Kill:
    """The first process of a room ends at its so-many-th effect (from 0), whatever else is planned."""

    room: str
    at_effect: int


class World:
    """`events` and `faults`: which of the seed's are kept, by number; None: all. `salt`: another order of turns for the same of everything else."""

    now_ms: int
    """The one clock of everything in it."""
    clock: Clock
    brokers_away_until_ms: int
    store_away_until_ms: int

    def __init__(
        self,
        seed: int,
        *,
        events: Collection[int] | None = None,
        faults: Collection[int] | None = None,
        salt: int = 0,
        parts: Parts | None = None,
        kill: Kill | None = None,
    ) -> None:
        self.parts = parts or Parts()
        self.random = Random(f"{seed}/turns/{salt}")
        self.counted: Counter[str] = Counter()
        self.failure: str | None = None
        self.pace = 1
        """How much is done in a turn: more once the faults are over, when the order of things matters less."""
        self.turns = self._depth = self.log_ms = 0
        make = Random(f"{seed}/shape")
        self.settings = settings_of(make)
        self.shape = shape_of(make, self.settings)
        self.counts = counts_of(self.shape)
        self.events = happenings(Random(f"{seed}/events"))
        self._chaos_turns = 150 + 6 * len(self.events)
        self._turns_max = self._chaos_turns + WAIT_TURNS_MAX
        self.faults = plan(Random(f"{seed}/faults"), self._chaos_turns, self.parts.focus)
        self._coming = [event for number, event in enumerate(self.events) if events is None or number in events][::-1]
        self._planned = [fault for number, fault in enumerate(self.faults) if faults is None or number in faults][::-1]
        self._set_clock(Random(f"{seed}/clock"))
        self._open()
        if kill is not None:
            self.of(kill.room)[0].arm(kill.at_effect, None)

    def run(self) -> str | None:
        """Live through it; what went wrong, or None."""
        try:
            while self.turns < self._chaos_turns and self.failure is None:
                self.turn()
            if self.failure is None:
                heal(self)
        finally:
            self.end()
        return self.failure

    def end(self) -> None:
        """Nothing of it is at work any more, whether it ran or not."""
        for process in self.processes:
            process.forget()

    def fail(self, text: str) -> None:
        self.failure = self.failure or f"turn {self.turns}: {text}"

    def of(self, kind: str) -> list[Process]:
        return [process for process in self.processes if process.kind == kind]

    # What processes ask of their world.

    def brokers_away(self) -> bool:
        return self.now_ms < self.brokers_away_until_ms

    def store_away(self) -> bool:
        return self.now_ms < self.store_away_until_ms

    def commit_gets_lost(self, process: Process) -> bool:
        return self.commits_lost_until.get(process.kind, 0) > self.turns

    def sleep(self, process: Process, sleep: Sleep) -> None:
        """The others have their turns while this one sleeps, wherever it was."""
        if self._depth >= DEPTH_MAX or self.failure is not None:
            return
        self.counted["zombies" if sleep.put_out else "naps"] += 1
        self._depth += 1
        woken_at_ms = self.now_ms + sleep.ms
        for turn in range(sleep.turns):
            if sleep.put_out and turn == 1:
                process.put_out()
            self.turn()
        self.now_ms = max(self.now_ms, woken_at_ms)
        process.slept_ms += sleep.ms
        self._depth -= 1
        if process.alive and isinstance(process, WorkerProcess) and self.random.random() < 0.5:
            try:
                process.beat()
            except Fatal as error:
                process.leave(error)

    def meanwhile(self, wait_s: float) -> None:
        """Somebody waits: time passes, and others may have a turn. Raises `Gone` when what is waited for never comes."""
        if self.turns > self._turns_max:
            self.fail("no end: a process waits and waits")
            raise Gone
        self.now_ms += int(wait_s * 1000 * self.random.random())
        if self._depth >= DEPTH_MAX:
            self._network()
            return
        self._depth += 1
        self.turn()
        self._depth -= 1

    def buried(self, process: Process) -> None:
        """A process is gone, for whatever reason. What it had on the wire may still arrive."""
        self.processes.remove(process)
        if process.wire.busy():
            self.strays.append(process.wire)
        self._forgotten += len(process.wire.forgotten)
        self._deal_turns()

    def left(self, process: Process, error: BaseException) -> None:
        """A process ended itself. Most reasons need an excuse: a fault of this world that they answer."""
        self.counted[f"{process.kind} ended: {type(error).__name__}"] += 1
        if isinstance(error, Fatal) and error.exit_code == Exit.STATE and "commit ahead" in self._happened:
            # The message says what to do; this is the human who does it.
            self.batches_group.committed.clear()
        elif not excused(error, self._happened) and not self.parts.excuses(process, error):
            self.fail(f"{process.kind} {process.number} ended without a cause: {type(error).__name__}: {error}")

    # What `heal` asks.

    def stop_faults(self, pace: int) -> None:
        """From here on everything works; what is still to be written is written at once."""
        self.pace = pace
        self._planned.clear()
        self.doomed.clear()
        self.brokers_away_until_ms = self.store_away_until_ms = 0
        self.commits_lost_until.clear()
        for process in self.processes:
            process.disarm()
            process.wire.mishaps.clear()
            process.wire.slow_topics = ()
        while self._coming:
            self._write(self._coming.pop())

    def forgotten(self) -> bool:
        """Did the brokers acknowledge a message and forget it?"""
        return self._forgotten + sum(len(process.wire.forgotten) for process in self.processes) > 0

    # How it is made.

    def _set_clock(self, make: Random) -> None:
        """Half of the worlds are live: the clock jumps to the time of each event. The others read history, long after it happened."""
        self._history = make.random() < 0.5
        last_ms = max(event.at_ms for event in self.events)
        self.now_ms = last_ms + make.choice((MINUTE_MS, 10 * HOUR_MS, 80 * HOUR_MS)) if self._history else self.events[0].at_ms
        self.clock = Clock(lambda: self.now_ms, lambda: self.now_ms / 1000)

    def _open(self) -> None:
        self.brokers_away_until_ms = self.store_away_until_ms = self._forgotten = 0
        self.commits_lost_until: dict[str, int] = {}
        self.doomed: list[tuple[int, Process]] = []
        self._happened: set[str] = set()
        self._newest_state: dict[bytes, bytes] = {}
        self.safety = Safety(self.shape)
        self.log = Log(self._watch)
        for topic, partitions in self.counts.items():
            self.log.make(topic, partitions, self.shape.low if topic in topics.RAW_TOPICS else 0)
        self.log.make(STATE, self.shape.partitions)
        self.raw_group = Group(self.log.places(topics.RAW_TOPICS), eager=True, random=self.random)
        self.batches_group = Group(self.log.places([topics.BATCHES]), eager=True, random=self.random)
        self.fact_places = self.log.places(topics.FACT_TOPICS)
        self.sink_group = Group(self.fact_places, eager=False, random=self.random)
        self.store = Store()
        self.kept_by_consumer = Kept()
        self.consumed: dict[Place, int] = {}
        self.strays: list[Wire] = []
        self.processes: list[Process] = []
        self._started = 0
        self.wanted = {"ingest": 1, "worker": self.random.choice((1, 2, 2)), "sink": 1, "consumer": 1}
        for kind, count in self.wanted.items():
            for _ in range(count):
                self._start(kind)

    def _start(self, kind: str) -> None:
        self._started += 1
        self.processes.append(ROOMS[kind](self, self._started))
        self._deal_turns()

    def _deal_turns(self) -> None:
        self._actors: list[Callable[[], object]] = [self._platform, *[self._network] * _NETWORK_TURNS, self._supervise]
        for process in self.processes:
            self._actors += [process.turn] * _TURNS_OF[process.kind]

    def _watch(self, place: Place, offset: int, record: Record) -> None:
        self.safety.watch(place, offset, record)
        if place[0] == STATE and record.key is not None and record.value is not None:
            version = record.value[:VERSION_BYTES]
            if version < self._newest_state.get(record.key, b""):
                self.counted["stale state records"] += 1
            else:
                self._newest_state[record.key] = version

    # The scheduler.

    def turn(self) -> None:
        """Somebody does something; a little time passes."""
        self.turns += 1
        random = self.random.random
        self.now_ms += int(random() * 8)
        while self._planned and self._planned[-1].at_turn <= self.turns:
            fault = self._planned.pop()
            self.counted[f"fault: {fault.kind}"] += 1
            self._happened.add(fault.kind)
            strike(self, fault)
        while self.doomed and self.doomed[0][0] <= self.turns:
            self.doomed.pop(0)[1].arm(0, None)
        self._actors[int(random() * len(self._actors))]()
        if self.safety.wrong is not None:
            self.fail(self.safety.wrong)

    def _platform(self) -> None:
        """Write a few records. Live events come at their own time; history is written faster than it happened."""
        for _ in range(1 + int(self.random.random() * 3)):
            if self._coming and self.turns * 2 > self._chaos_turns - 6 * len(self._coming):
                self._write(self._coming.pop())

    def _write(self, event: Happening) -> None:
        if self._history:
            self.log_ms = max(self.log_ms, event.at_ms)
        else:
            self.log_ms = self.now_ms = max(self.now_ms, event.at_ms)
        place = (event.topic, int(event.pick * self.counts[event.topic]))
        self.log.append(place, Record(None, event.value, self.log_ms))

    def _network(self) -> None:
        if self.brokers_away():
            return
        random = self.random.random
        if self.strays and random() < 0.3:
            stray = self.strays[int(random() * len(self.strays))]
            if not stray.carry():
                self.strays.remove(stray)
            return
        busy = [process for process in self.processes if process.wire.busy() or process.commits]
        if not busy:
            return
        process = busy[int(random() * len(busy))]
        for _ in range(1 + int(random() * 12 * self.pace)):
            if not process.wire.carry():
                break
        if process.commits and random() < 0.5:
            process.commit_arrives()

    def _supervise(self) -> None:
        """Start what is missing, some time after it went; stop what is too much; let the store merge; let time jump."""
        random = self.random.random
        for kind, wanted in self.wanted.items():
            running = [process for process in self.processes if process.kind == kind and not process.stopping]
            if len(running) < wanted and random() < 0.5:
                self._start(kind)
                self.counted[f"{kind} starts"] += 1
            elif len(running) > wanted:
                running[0].stopping = True
        if random() < 0.1:
            self.store.merge()
        if random() < 0.05:
            self.now_ms += int(random() * 3_000)

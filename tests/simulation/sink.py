"""The sink in the simulation: the product's `Sink` between a memory twin of its source and a store that merges as ReplacingMergeTree does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from services.sink.rows import Facts, Table
from services.sink.sink import Sink
from services.sink.source import FactRecord, NotCommitted, Owner
from services.sink.store import StoreAway
from services.sink.waiting import Partition
from tests.simulation.kafka import Commit, Place
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

Row = tuple[object, ...]


class Store:
    """Tables of rows as they were inserted. `merge` may drop, at any time, what a higher revision of the same id replaces."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}

    def insert(self, table: Table, rows: list[Row]) -> None:
        self.rows.setdefault(table.name, []).extend(rows)

    def merge(self) -> None:
        for name in self.rows:
            self.rows[name] = list(self.final(name).values())

    def final(self, name: str) -> dict[object, Row]:
        """SELECT … FINAL: of each id (the first column) the highest revision (the second), of equal ones the last inserted."""
        found: dict[object, Row] = {}
        for row in self.rows.get(name, ()):
            held = found.get(row[0])
            if held is None or held[1] <= row[1]:  # type: ignore[operator]
                found[row[0]] = row
        return found


class SinkProcess(Process):
    """`FactSource` for one sink, which it runs turn by turn."""

    kind = "sink"

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, number)
        self._group = world.sink_group
        self._positions: dict[Place, int] = {}
        self._held: set[Place] = set()
        self._owner: Owner | None = None
        self.insert_mishaps = 0
        self._member = self._group.join()
        self._shell = Sink(world.settings.sink, self, Inserts(self), world.clock.monotonic_s)

    def work(self) -> None:
        try:
            if not self.stopping:
                self._shell.turn()
                return
            self._shell.flush()
        except Exception:
            self._shell.close()
            raise
        self._shell.close()
        self.alive = False
        self.world.buried(self)

    def put_out(self) -> None:
        self._group.put_out(self._member)

    def join(self, owner: Owner) -> None:
        self._owner = owner

    def next(self, wait_s: float) -> FactRecord | None:
        self.effect()
        if self.world.brokers_away():
            return None
        self._follow()
        random = self.world.random.random
        if random() < 0.05:
            return None
        places = list(self._positions)
        first = int(random() * len(places))
        for place in places[first:] + places[:first]:
            offset = self._positions[place]
            if place not in self._held and offset < self.world.log.end(place):
                self._positions[place] += 1
                return FactRecord(place[0], place[1], offset, self.world.log.at(place, offset).value)
        return None

    def hold(self, *, held: bool) -> None:
        self._held = set(self._member.owned) if held else set()

    def commit(self, offsets: Mapping[Partition, int]) -> Collection[Partition]:
        self.effect()
        if self.world.brokers_away() or self.world.commit_gets_lost(self):
            raise NotCommitted("simulated")
        kept = self._group.commit(self._member, {place: Commit(offset) for place, offset in offsets.items()})
        self.effect()
        return kept

    def close(self) -> None:
        if self._member.owned and not self._member.put_out:
            self._give_up(list(self._member.owned))
        self._group.leave(self._member)

    def _follow(self) -> None:
        assert self._owner is not None
        while (change := self._group.sync(self._member)) is not None:
            if change.kind == "assign":
                self._group.take(self._member, change.places)
                for place in change.places:
                    committed = self._group.committed.get(place)
                    self._positions[place] = committed.offset if committed else self.world.log.low(place)
                self._owner.assigned(change.places)
                return
            self._give_up(change.places)
            if change.kind == "lost":
                self._group.rejoin(self._member)

    def _give_up(self, places: list[Place]) -> None:
        assert self._owner is not None
        for place in places:
            self._positions.pop(place, None)
        self._owner.taken_away(places)
        if not self._member.put_out:
            self._group.release(self._member, places)


class Inserts:
    """`FactStore`: the way of one sink to the store."""

    def __init__(self, process: SinkProcess) -> None:
        self._process = process

    def insert(self, table: Table, facts: Facts) -> None:
        process = self._process
        turned: list[Row] = [row for columns in facts for row in zip(*columns, strict=True)]
        process.effect()
        if process.world.store_away():
            raise StoreAway("simulated")
        if process.insert_mishaps:
            # An insert that fails may have taken some of its blocks, or all, before.
            process.insert_mishaps -= 1
            process.world.store.insert(table, turned[: int(process.world.random.random() * (len(turned) + 1))])
            raise StoreAway("simulated, after some rows went in")
        process.world.store.insert(table, turned)
        process.effect()

    def close(self) -> None:
        """There is no connection."""


class ConsumerProcess(Process):
    """Somebody who bills by the aggregate topics: keeps the highest revision of each id, then commits. Killed in between, it reads again."""

    kind = "consumer"

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, number)
        self._positions = {place: world.consumed.get(place, world.log.low(place)) for place in world.fact_places}

    def work(self) -> None:
        world = self.world
        for place in self._positions:
            behind = world.log.end(place) - self._positions[place]
            for _ in range(min(behind, 5)):
                self.effect()
                world.kept_by_consumer.keep(place[0], world.log.at(place, self._positions[place]))
                self._positions[place] += 1
            if behind:
                self.effect()
                world.consumed[place] = self._positions[place]
        if self.stopping:
            self.alive = False
            world.buried(self)

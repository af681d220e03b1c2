"""Ingest in the simulation: the product's `Ingest` and `Batcher` on the memory twins of its ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from services.events.topics import RAW_TOPICS
from services.ingest.batcher import RawPartition
from services.ingest.ingest import Ingest
from services.ingest.ports import Delivered, Mark, Owner, Ports, Run, Start
from tests.simulation.kafka import Change, Commit, Place
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.world import World


FETCH_MS = 500
"""How old the end of a partition may be that is known here: as long as a fetch waits."""


class NotOurs(Exception):
    """The group refuses a commit: another process has the partitions. Ends ingest, which starts again."""


class IngestProcess(Process):
    """`RawSource`, `Committer` and `Outgoing` for one ingest, which it runs poll by poll."""

    kind = "ingest"

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, number)
        self._group = world.raw_group
        self._positions: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self._asked_ms = 0
        self._owner: Owner | None = None
        self._member = self._group.join()
        self._shell = world.parts.ingest(world.settings, world.counts, Ports(self, self, self, world.clock, self.end))

    def work(self) -> None:
        try:
            if not self.stopping:
                self._shell.poll()
                return
            self._shell.settle()
        except Exception:
            # The product's `finally`: whatever goes wrong now, the process ends for the first reason.
            with suppress(Exception):
                self._shell.close()
            raise
        self._shell.close()
        self.alive = False
        self.world.buried(self)

    def put_out(self) -> None:
        self._group.put_out(self._member)

    def join(self, owner: Owner) -> None:
        self._owner = owner

    def read(self, records_max: int, wait_s: float) -> Sequence[Run]:
        self.effect()
        if self.world.brokers_away():
            return []
        while (change := self._group.sync(self._member)) is not None:
            self._follow(change)
        runs: list[Run] = []
        random = self.world.random.random
        for place in sorted(self._positions):
            have = min(records_max, self.world.log.end(place) - self._positions[place])
            if have and random() < 0.8:
                runs.append(self._fetch(place, min(have, 1 + int(random() * 8))))
        return runs

    def end_of(self, raw: RawPartition) -> int | None:
        place = _place(raw)
        if place in self._ends and self.world.now_ms > self._asked_ms + FETCH_MS:
            # An empty fetch tells the end too.
            self._asked_ms = self.world.now_ms
            self._ends = {held: self.world.log.end(held) for held in self._positions}
        return self._ends.get(place)

    def commit(self, marks: Mapping[RawPartition, Mark], *, wait: bool) -> None:
        self.effect()
        self.commits.append({_place(raw): Commit(mark.offset, mark.metadata) for raw, mark in marks.items()})
        if wait:
            kept = True
            while self.commits:
                kept = self.commit_arrives()
            self.effect()
            if not kept:
                raise NotOurs("the group does not take the offsets: another process has the partitions")

    def commit_arrives(self) -> bool:
        """The next commit reaches the group. False: it was refused, at least in part."""
        marks = self.commits.popleft()
        if self.world.commit_gets_lost(self):
            return True
        return len(self._group.commit(self._member, marks)) == len(marks)

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes, delivered: Delivered) -> None:
        self.effect()
        self.wire.send((topic, partition), key, value, delivered)

    def serve(self, wait_s: float) -> None:
        if wait_s:
            self.effect()
            self.world.meanwhile(wait_s)
            self.wire.hear()
        else:
            self.wire.hear(int(self.world.random.random() * 40))

    def flush(self, wait_s: float) -> bool:
        until_ms = self.world.now_ms + int(wait_s * 1000)
        while self.wire.unheard:
            self.effect()
            if self.world.brokers_away():
                self.world.now_ms = max(self.world.now_ms, until_ms)
                return False
            if not self.wire.hear(2):
                self.world.meanwhile(0.001)
                self.wire.carry()
        return True

    def close(self) -> None:
        """As librdkafka does: partitions are given up, with the owner's word, before the group is left."""
        change = self._group.sync(self._member)
        if change is not None and change.kind == "lost":
            self._give_up(change)
        elif self._member.owned:
            self._give_up(Change("revoke", list(self._member.owned)))
        self._group.leave(self._member)

    def _follow(self, change: Change) -> None:
        assert self._owner is not None
        if change.kind != "assign":
            self._give_up(change)
            return
        starts = {}
        for place in change.places:
            committed = self._group.committed.get(place)
            starts[_raw(place)] = Start(committed.offset if committed else None, committed.metadata if committed else "", self.world.log.low(place), place[0])
        first = self._owner.assigned(starts)
        self._group.take(self._member, change.places)
        self._positions = {_place(raw): offset for raw, offset in first.items()}

    def _give_up(self, change: Change) -> None:
        assert self._owner is not None
        raws = [_raw(place) for place in change.places]
        self._positions.clear()
        self._ends.clear()
        if change.kind == "lost":
            self.commits.clear()
            if raws:
                self._owner.lost(raws)
            self._group.rejoin(self._member)
        else:
            self._owner.revoked(raws)
            self._group.release(self._member, change.places)

    def _fetch(self, place: Place, count: int) -> Run:
        first = self._positions[place]
        found = [(offset, self.world.log.at(place, offset)) for offset in range(first, first + count)]
        self._positions[place] += count
        self._ends[place] = self.world.log.end(place)
        return Run(_raw(place), [(offset, record.log_ms, record.value) for offset, record in found])


def make_ingest(settings: object, counts: Mapping[str, int], ports: Ports) -> Ingest:
    """The product's own."""
    return Ingest(settings, counts, ports)  # type: ignore[arg-type]


def _raw(place: Place) -> RawPartition:
    return RAW_TOPICS.index(place[0]), place[1]


def _place(raw: RawPartition) -> Place:
    return RAW_TOPICS[raw[0]], raw[1]

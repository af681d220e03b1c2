"""Kafka in memory: topics, what producers have on the wire, consumer groups. Everything random comes from the one generator that is handed in.

As in Kafka: order holds within a partition of one producer; a failed message does not keep later ones from being taken; a dead producer's
requests may still arrive; a partition has no new owner before the old one gave it up or was put out; offsets of one who was put out are refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

Place = tuple[str, int]
"""(topic, partition)."""

Done = Callable[[str | None], None]
"""Called once: None: acknowledged; a text: the failure."""


class Record(NamedTuple):
    """One record of a topic."""

    key: bytes | None
    value: bytes | None
    log_ms: int = 0


class Log:
    """All topics. `watch` sees every record as it is appended."""

    def __init__(self, watch: Callable[[Place, int, Record], None]) -> None:
        self._watch = watch
        self._records: dict[Place, list[Record]] = {}
        self._low: dict[Place, int] = {}

    def make(self, topic: str, partitions: int, low: int = 0) -> None:
        """`low`: what was before this offset is gone."""
        for partition in range(partitions):
            self._records[topic, partition] = []
            self._low[topic, partition] = low

    def append(self, place: Place, record: Record) -> None:
        records = self._records[place]
        records.append(record)
        self._watch(place, self._low[place] + len(records) - 1, record)

    def low(self, place: Place) -> int:
        return self._low[place]

    def end(self, place: Place) -> int:
        return self._low[place] + len(self._records[place])

    def at(self, place: Place, offset: int) -> Record:
        return self._records[place][offset - self._low[place]]

    def all(self, place: Place) -> Sequence[Record]:
        return self._records[place]

    def places(self, topics: Iterable[str]) -> list[Place]:
        wanted = set(topics)
        return [place for place in self._records if place[0] in wanted]


Mishap = Literal["refused", "taken but refused", "taken twice", "acknowledged and forgotten"]


class Sent(NamedTuple):
    """A message on the wire; without `done` its sender is dead."""

    record: Record
    done: Done | None


class Wire:
    """What one producer has sent: not yet taken by the brokers, or taken and not yet heard of by the producer."""

    def __init__(self, log: Log, random: Random) -> None:
        self._log, self._random = log, random
        self._queues: dict[Place, deque[Sent]] = {}
        self._reports: deque[tuple[Done, str | None]] = deque()
        self.unheard = 0
        self.mishaps: list[tuple[Mishap, tuple[str, ...]]] = []
        """What happens to the next message of one of these topics."""
        self.forgotten: list[tuple[Place, Record]] = []
        self.slow_topics: tuple[str, ...] = ()
        """Their brokers do not take anything yet."""

    def send(self, place: Place, key: bytes | None, value: bytes, done: Done) -> None:
        self._queues.setdefault(place, deque()).append(Sent(Record(key, value), done))
        self.unheard += 1

    def busy(self) -> bool:
        return bool(self._queues)

    def carry(self) -> bool:
        """The brokers take one message. False: there is none."""
        if not self._queues:
            return False
        places = list(self._queues) if not self.slow_topics else [place for place in self._queues if place[0] not in self.slow_topics]
        if not places:
            return False
        place = places[int(self._random.random() * len(places))]
        queue = self._queues[place]
        sent = queue.popleft()
        if not queue:
            del self._queues[place]
        self._take(place, sent, self._mishap(place))
        return True

    def hear(self, most: int = 1_000_000) -> bool:
        """The producer hears of at most so many messages, in the order in which they were taken. False: there was nothing to hear."""
        heard = False
        while self._reports and most > 0:
            done, failure = self._reports.popleft()
            self.unheard -= 1
            most -= 1
            heard = True
            done(failure)
        return heard

    def cut(self) -> None:
        """The producer is dead: of each partition's messages a few are on their way already, the others are gone."""
        self._reports.clear()
        self.mishaps.clear()
        self.slow_topics = ()
        self.unheard = 0
        for place, queue in list(self._queues.items()):
            kept = int(self._random.random() * (len(queue) + 1)) if self._random.random() < 0.5 else 0
            if kept:
                self._queues[place] = deque(Sent(sent.record, None) for sent in list(queue)[:kept])
            else:
                del self._queues[place]

    def _mishap(self, place: Place) -> Mishap | None:
        for number, (mishap, topics) in enumerate(self.mishaps):
            if place[0] in topics:
                del self.mishaps[number]
                return mishap
        return None

    def _take(self, place: Place, sent: Sent, mishap: Mishap | None) -> None:
        if mishap == "acknowledged and forgotten":
            self.forgotten.append((place, sent.record))
        elif mishap != "refused":
            self._log.append(place, sent.record)
            if mishap == "taken twice":
                self._log.append(place, sent.record)
        if sent.done is not None:
            failed = mishap in ("refused", "taken but refused")
            self._reports.append((sent.done, f"{place[0]}/{place[1]} did not take a message: simulated." if failed else None))


class Commit(NamedTuple):
    """A committed offset and what was committed with it."""

    offset: int
    metadata: str = ""


@dataclass(eq=False, slots=True)
class Member:
    """One consumer of a group."""

    owned: list[Place] = field(default_factory=list)
    target: list[Place] = field(default_factory=list)
    generation: int = -1
    put_out: bool = False


class Change(NamedTuple):
    """What a member has to do next."""

    kind: Literal["lost", "revoke", "assign"]
    places: list[Place]


class Group:
    """A consumer group. `eager`: everything is given up at a rebalance, as in Faust and in ingest; else only what moves, as in the sink."""

    def __init__(self, places: list[Place], *, eager: bool, random: Random) -> None:
        self._places, self._eager, self._random = places, eager, random
        self._members: list[Member] = []
        self._owner: dict[Place, Member] = {}
        self._generation = 0
        self.committed: dict[Place, Commit] = {}

    def join(self) -> Member:
        member = Member()
        self._members.append(member)
        self.rebalance()
        return member

    def leave(self, member: Member) -> None:
        """By itself: what it owned is free. A member that was put out has left already."""
        self.release(member, list(member.owned))
        if member in self._members:
            self._members.remove(member)
            self.rebalance()

    def put_out(self, member: Member) -> None:
        """Its session ran out; it will hear of that when it asks again."""
        if member in self._members:
            member.put_out = True
            self._members.remove(member)
            for place in member.owned:
                if self._owner.get(place) is member:
                    del self._owner[place]
            self.rebalance()

    def rebalance(self) -> None:
        """Deal the partitions anew, to a random order of members."""
        self._generation += 1
        for member in self._members:
            member.target = []
        dealt = list(self._places)
        members = list(self._members)
        self._random.shuffle(dealt)
        self._random.shuffle(members)
        for number, place in enumerate(dealt if members else []):
            members[number % len(members)].target.append(place)

    def sync(self, member: Member) -> Change | None:
        """What this member has to do now; it says `release` or `take` when it is done."""
        if member.put_out:
            return Change("lost", list(member.owned))
        if member.generation == self._generation:
            return None
        keeps = set() if self._eager else set(member.target)
        given_up = [place for place in member.owned if place not in keeps]
        if given_up:
            return Change("revoke", given_up)
        wanted = [place for place in member.target if place not in member.owned]
        if any(place in self._owner for place in wanted):
            return None
        return Change("assign", wanted)

    def release(self, member: Member, places: list[Place]) -> None:
        for place in places:
            member.owned.remove(place)
            if self._owner.get(place) is member:
                del self._owner[place]

    def take(self, member: Member, places: list[Place]) -> None:
        member.generation = self._generation
        for place in places:
            member.owned.append(place)
            self._owner[place] = member

    def rejoin(self, member: Member) -> None:
        """After `lost`."""
        member.owned.clear()
        member.put_out, member.generation = False, -1
        self._members.append(member)
        self.rebalance()

    def commit(self, member: Member, marks: Mapping[Place, Commit]) -> set[Place]:
        """Those that were kept: the ones that the member owns."""
        kept = {place for place in marks if self._owner.get(place) is member}
        for place in kept:
            self.committed[place] = marks[place]
        return kept

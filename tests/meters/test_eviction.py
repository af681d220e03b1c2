"""T4 with T6: streams of weeks, so disordered and so long that state is let go all the time; the facts are those of the reference, which forgets nothing.

An event comes at most 24 h of log time after its own; log time is the running maximum of its partition, and partitions are read at different speeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from unittest import mock

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services.events.batches import Range, encode_batch
from services.events.outgoing import OutFact
from services.ingest.batcher import Batcher, Layout, RawRecord, Totals
from services.meters import talks
from services.meters.fold import PartitionFold
from services.meters.rules import FOREVER_MS, HOUR_MS, Rules
from tests.meters.driver import folded
from tests.parts.examples import examples
from tests.reference import strategies as made
from tests.reference.instants import instant_ms, instant_text
from tests.reference.model import reference_of_events

DAY_MS = 24 * HOUR_MS
SOURCES = 2
PAGES = 3

HOURS_APART = [0, 1, 24, 26, 47, 48, 49, 50, 51, 52, 73, 74, 75, 76, 77, 99, 100, 101, 102, 200, 400]
"""Around everything that lets go: 49 h (T4), 50 h (P2), 75 h and 100 h (open human time, calls, logins)."""
DELAYS_MS = [0, 0, 0, HOUR_MS, 12 * HOUR_MS, DAY_MS - 1, DAY_MS]


class Arrival(NamedTuple):
    """An event in its raw partition."""

    source: int
    log_ms: int
    line: bytes


def _time_ms(event: made.CloudEvent) -> int:
    found = instant_ms(event["time"])
    assert found is not None
    return found


@st.composite
def long_histories(draw: st.DrawFn) -> list[made.CloudEvent]:
    """Several histories over the same few conversations, calls, logins, hours to weeks apart."""
    parts = []
    at_ms = 0
    for part in draw(st.lists(made.histories, min_size=2, max_size=6)):
        at_ms += draw(st.sampled_from(HOURS_APART)) * HOUR_MS
        parts.append([event | {"time": instant_text(_time_ms(event) + at_ms)} for event in part])
    return made.numbered(parts)


@st.composite
def arrivals(draw: st.DrawFn, history: Sequence[made.CloudEvent]) -> list[Arrival]:
    """The history in its partitions, delayed, some of it twice; one partition may be read weeks behind the other, once both have begun."""
    coming: list[list[tuple[int, made.CloudEvent]]] = [[] for _ in range(SOURCES)]
    for event in history:
        for _ in range(1 + (draw(st.integers(0, 9)) == 0)):
            coming[draw(st.integers(0, SOURCES - 1))].append((_time_ms(event) + draw(st.sampled_from(DELAYS_MS)), event))
    lags_ms = [0, draw(st.sampled_from([0, 0, DAY_MS, 30 * DAY_MS]))]
    found = []
    for source, mine in enumerate(coming):
        newest_ms = 0
        for place, (at_ms, event) in enumerate(sorted(mine, key=itemgetter(0))):
            newest_ms = max(newest_ms, _time_ms(event))
            found.append((at_ms + lags_ms[source] if place else 0, Arrival(source, newest_ms, made.line(event))))
    return [arrival for _, arrival in sorted(found, key=itemgetter(0))]


class Weeks:
    """Ingest and one fold over two raw partitions."""

    def __init__(self) -> None:
        self.rules = Rules()
        self.batcher = Batcher(Layout((SOURCES,), PAGES, 1), self.rules.lateness_ms, generation=1, names=("raw",))
        for source in range(SOURCES):
            self.batcher.begin((0, source), 0, begins=True, totals=Totals())
        self.fold = self._new_fold()
        self.messages: list[bytes] = []
        self.positions: list[bytes | None] = [None]
        """Before each message, and after the last one."""
        self.pages: dict[int, bytes] = {}
        self.offsets = [0] * SOURCES
        self.published: list[OutFact] = []

    def _new_fold(self) -> PartitionFold:
        return PartitionFold(self.rules, 0, PAGES, 1, 1)

    def poll(self, some: Sequence[Arrival]) -> None:
        for arrival in some:
            self.batcher.add(RawRecord(0, arrival.source, self.offsets[arrival.source], arrival.log_ms, arrival.line))
            self.offsets[arrival.source] += 1
        batches, rejected = self.batcher.take(0, 0)
        assert not rejected
        self.messages.append(encode_batch(batches[0]))
        self.published += self.fold.apply(self.messages[-1], len(self.messages) - 1)
        self.pages |= dict(self.fold.take_dirty())
        self.positions.append(self.fold.position())

    def restart(self, back: int = 0) -> None:
        """From the newest pages; and from the newest position, or one some messages before it, as when positions were not written (E2)."""
        begin = max(0, len(self.messages) - back)
        self.fold = self._new_fold()
        self.fold.restore(self.positions[begin], self.pages)
        for offset in range(begin, len(self.messages)):
            self.published += self.fold.apply(self.messages[offset], offset)
        self.pages |= dict(self.fold.take_dirty())
        self.positions[-1] = self.fold.position()

    def kept(self) -> int:
        found = self.fold.status()["open"]
        assert isinstance(found, int)
        return found

    def close(self) -> None:
        batches, _ = self.batcher.take(0, 0)
        batches[0].ranges = [Range(0, s, self.offsets[s], self.offsets[s], self.offsets[s] == 0, None, None, FOREVER_MS, idle=False) for s in range(SOURCES)]
        self.published += self.fold.apply(encode_batch(batches[0]), len(self.messages))


@settings(max_examples=examples(60), deadline=None, phases=(Phase.explicit, Phase.generate, Phase.shrink))
@given(st.data())
def test_what_is_let_go_is_never_missed(data: st.DataObject) -> None:
    history = data.draw(long_histories())
    coming = data.draw(arrivals(history))
    size = data.draw(st.sampled_from([1, 2, 5]))
    restarts = data.draw(st.sampled_from([0, 1, 7]))
    back = data.draw(st.sampled_from([0, 0, 1, 5]))
    # Records here hold few talks. As soon as half as many were let go as there are they are made anew; with 0 (Python's twin) they hold all until none is left.
    gone_part = data.draw(st.sampled_from([2, 0]))
    weeks = Weeks()
    with mock.patch.object(talks, "_GONE_PART", gone_part):
        for begin in range(0, len(coming), size):
            weeks.poll(coming[begin : begin + size])
            if restarts and (begin // size) % restarts == 0:
                weeks.restart(back)
        weeks.close()

    assert folded(weeks.published) == reference_of_events(history)


def _conversation(day: int, name: str) -> list[dict[str, Any]]:
    """A conversation of a day, with a human and without an end."""
    steps = [("S", 0), ("T", 300_000), ("R", 600_000), ("U", 1_200_000)]
    found = []
    for letter, at_ms in steps:
        kind, more = made.SAYS[letter]
        data = {"workspace_id": "acme", "app_id": "shop", "channel": "web"} | more | ({"message_id": name} if letter == "U" else {})
        found.append(made.cloud_event(kind, made.BASE_MS + day * DAY_MS + at_ms, name, data))
    return found


def test_state_holds_only_the_last_days_of_a_stream_of_weeks() -> None:
    history = made.numbered([_conversation(day, f"c{day}") for day in range(60)])
    weeks = Weeks()
    kept: list[int] = []
    for _, events in groupby(history, lambda event: event["time"][:10]):
        weeks.poll([Arrival(place % SOURCES, _time_ms(event), made.line(event)) for place, event in enumerate(events)])
        weeks.restart()
        kept.append(weeks.kept())
    weeks.close()

    assert max(kept) <= 5
    assert folded(weeks.published) == reference_of_events(history)

"""Ends a worker that has work and does not move, whatever the reason: a reader that died, an event loop that hangs, a commit that never comes.

Rule: what counts is what the brokers say, asked by clients of our own: messages in a partition that this worker owns, and a committed offset that has not
grown for `stall_s`. While state is recovered, the number of recovered records must grow; and the event loop must go round. Brokers that do not answer
stop the watch: deliveries and sessions have limits of their own.
Limit: a thread of its own, because the event loop may be what hangs; a partition that another worker owns is not looked at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterable, Mapping
from typing import Final, NamedTuple

import structlog
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # the package exports it without saying so

from services.events.topics import BATCHES
from services.processors import metrics
from services.processors.exits import Exit, Fatal, leave
from services.runtime.committed import Committed
from services.runtime.kafka import TIMEOUT_S, client_config
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

_LOOKS: Final = 12
"""Looks in `stall_s`."""
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]

RECOVERY: Final = "recovery"
LOOP: Final = "loop"


class View(NamedTuple):
    """What the worker says of itself, from its event loop."""

    told: int
    """Grows with every view."""
    ready: bool
    recovered: int
    sources: frozenset[int]


class Waiting:
    """Since when each piece of work has not moved. Pure: time comes in."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, tuple[Hashable, float]] = {}

    def look(self, now_s: float, work: Mapping[Hashable, Hashable]) -> tuple[float, Hashable]:
        """Work that is there now, by name, with a value that changes when it moves: (seconds for which the oldest has stood still, its name or None)."""
        self._seen = {name: (value, self._since(name, value, now_s)) for name, value in work.items()}
        still = [(now_s - since_s, name) for name, (_, since_s) in self._seen.items() if since_s < now_s]
        return max(still, key=lambda found: found[0], default=(0.0, None))

    def _since(self, name: Hashable, value: Hashable, now_s: float) -> float:
        seen = self._seen.get(name)
        return seen[1] if seen is not None and seen[0] == value else now_s


class Watchdog:
    """A thread that looks, and ends the process when it must."""

    def __init__(self, settings: Settings) -> None:
        self._kafka, self._group = settings.kafka, settings.processors_group
        self._stall_s = settings.processors.stall_s
        self._view = View(told=0, ready=True, recovered=0, sources=frozenset())

    def start(self) -> None:
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def tell(self, *, ready: bool, recovered: int, sources: frozenset[int]) -> None:
        """The newest view: from the event loop, again and again."""
        self._view = View(self._view.told + 1, ready, recovered, sources)

    def _run(self) -> None:
        waiting = Waiting()
        admin = self._asker()
        with Committed(self._kafka) as committed:
            while True:
                time.sleep(self._stall_s / _LOOKS)
                view = self._view
                try:
                    lag = _lag(_ends(admin, view.sources), committed.of(self._group, [(BATCHES, partition) for partition in view.sources]))
                except KafkaException as error:
                    log.warning("the brokers do not say how far this worker is", error=str(error))
                    waiting = Waiting()
                    # A client that knew the brokers before a restart may hear for ever that what it knows is old (seen: FENCED_LEADER_EPOCH).
                    admin = self._asker()
                    continue
                self._judge(*waiting.look(time.monotonic(), work(view, lag)))

    def _asker(self) -> AdminClient:
        return AdminClient(client_config(self._kafka, "ERROR"))

    def _judge(self, still_s: float, name: Hashable) -> None:
        metrics.STILL_SECONDS.set(still_s)
        if still_s >= self._stall_s:
            leave(Fatal(Exit.STALLED, f"{_what(name)} for {still_s:.0f} s. Nothing more is acknowledged; the next start goes on from the last epoch."))


def work(view: View, lag: Mapping[int, int]) -> dict[Hashable, Hashable]:
    """What must move: the event loop; while the worker is not ready, recovery; else the partitions that hold more than is committed (`lag`: → committed)."""
    return {LOOP: view.told} | (dict(lag.items()) if view.ready else {RECOVERY: (view.recovered, view.sources)})


def _what(name: Hashable) -> str:
    if name == LOOP:
        return "The event loop has not gone round"
    if name == RECOVERY:
        return "The partitions of this worker are not read, and no recovery goes on,"
    return f"Partition {name} of {BATCHES} has messages, and nothing of it was made durable"


def _lag(ends: Mapping[int, int], committed: Mapping[tuple[str, int], int]) -> dict[int, int]:
    done = {partition: committed.get((BATCHES, partition), 0) for partition in ends}
    return {partition: done[partition] for partition, end in ends.items() if done[partition] < end}


def _ends(admin: AdminClient, partitions: Iterable[int]) -> dict[int, int]:
    wanted = {TopicPartition(BATCHES, partition): _LATEST for partition in partitions}
    asked = admin.list_offsets(wanted, request_timeout=TIMEOUT_S) if wanted else {}
    return {place.partition: future.result().offset for place, future in asked.items()}

"""One batches partition at work: its fold, and the order in which an epoch becomes durable (DESIGN §2, E1-E4).

Rules: there is no `await` between applying a message and putting it on the epoch's list; an epoch ends by age, messages, bytes or hurry,
and never waits for more messages. A crash between any two effects replays messages that give the same ids, revisions and contents.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple, Protocol

from services.events.outgoing import OutFact
from services.processors import metrics
from services.processors.exits import Exit, Fatal
from services.processors.fold import Fold
from services.processors.state import page_key, position_key


class Message(NamedTuple):
    """A batches message, and what the engine needs to acknowledge it."""

    partition: int
    offset: int
    value: bytes
    handle: object


class Receipt:
    """Counts the facts of one epoch that are sent and acknowledged."""

    __slots__ = ("acknowledged", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0


class Facts(Protocol):
    """Where facts go. A fact that cannot be delivered raises, here or from `settle`."""

    def send(self, facts: Sequence[OutFact], receipt: Receipt) -> None: ...

    async def settle(self, receipt: Receipt) -> None:
        """Return when every fact of `receipt` is acknowledged by the brokers."""

    def backlog(self) -> int:
        """Facts that are sent and not yet acknowledged."""


WriteState = Callable[[int, Sequence[tuple[bytes, bytes]]], Awaitable[None]]
"""(partition, records) → returns when the brokers have acknowledged all of them; raises when one is refused."""

Acknowledge = Callable[[Message], None]
"""The message's offset may be committed."""


@dataclass(frozen=True, slots=True)
class EpochLimits:
    """When an epoch ends, whichever comes first."""

    age_s: float
    messages: int
    size_bytes: int
    state_bytes: int
    """State that one epoch writes, at the least a fair share of what changed: with much state the pages take turns."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a line does to the world, in the order of E1-E4; `check_pause` comes before each."""

    facts: Facts
    write_state: WriteState
    acknowledge: Acknowledge
    check_pause: Callable[[], None]
    encoding_turn: asyncio.Lock
    """One partition encodes its pages at a time, so that the event loop breathes in between."""


@dataclass(slots=True)
class Epoch:
    """What is applied and not yet durable."""

    messages: list[Message] = field(default_factory=list)
    receipt: Receipt = field(default_factory=Receipt)
    size_bytes: int = 0
    opened_at_s: float = 0.0
    applied: int = 0


class State(NamedTuple):
    """What the end of an epoch writes, and which messages are durable then."""

    pages: list[tuple[bytes, bytes]]
    position: tuple[bytes, bytes] | None
    durable_to: int | None


class Line:
    """The work on one partition, from the first message after an assignment to the revocation."""

    def __init__(self, partition: int, fold: Fold, limits: EpochLimits, effects: Effects) -> None:
        self.partition = partition
        self.unacknowledged = 0
        self.durable_to = fold.next_offset()
        """Messages below it are in the state, and their facts are out; None: no state yet."""
        self._fold = fold
        self._limits = limits
        self._effects = effects
        self._expected: int | None = None
        self._epoch = Epoch()
        self._waiting: deque[Message] = deque()
        """Of epochs that ended, and not durable yet: a page that they changed waits for its turn."""
        self._position_at = self.durable_to
        """`durable_to` of the newest position record that was taken."""
        self._begun = asyncio.Event()
        self._due = asyncio.Event()
        self._hurried = False

    def begin(self, committed: int | None, beginning: int) -> int:
        """Where reading begins. Raises `Fatal` when the state and the offsets contradict each other."""
        first = max(committed or 0, beginning)
        durable_to = self.durable_to
        if durable_to is None and committed:
            raise Fatal(
                Exit.STATE,
                f"Partition {self.partition}: offset {committed} is committed, but the state topic holds no position. "
                "The state is lost: restore the topic, or meter everything anew: `quarterhour rebuild`.",
            )
        if durable_to is not None and durable_to < first:
            raise Fatal(
                Exit.STATE,
                f"Partition {self.partition}: the state expects offset {durable_to}, but reading would begin at {first} "
                f"(committed {committed}, the topic begins at {beginning}). Messages would be missing: "
                "restore the topic, or meter everything anew: `quarterhour rebuild`.",
            )
        self._expected = first
        return first

    def take(self, message: Message) -> None:
        """Apply a message and put it on the epoch's list. Raises `Fatal` on a hole."""
        if message.offset != self._expected:
            raise Fatal(
                Exit.RESTART,
                f"Partition {self.partition}: offset {self._expected} was expected, {message.offset} came. "
                "Messages are missing; nothing after them is acknowledged. Starting again reads them.",
            )
        self._expected = message.offset + 1
        epoch = self._epoch
        if self.durable_to is None or message.offset >= self.durable_to:
            facts = self._apply(message)
            epoch.applied += 1
        else:
            facts = []
        epoch.messages.append(message)
        self.unacknowledged += 1
        if facts:
            self._effects.check_pause()
            self._effects.facts.send(facts, epoch.receipt)
            metrics.FACTS.inc(len(facts))
        self._measure(epoch, len(message.value))

    def hurry(self, *, for_good: bool) -> None:
        """End the open epoch now; `for_good`: every later one as well (revocation, shutdown)."""
        self._hurried = self._hurried or for_good
        if self._hurried or self._epoch.messages or self._waiting:
            self._due.set()
        if self._waiting:
            self._begun.set()

    async def run(self) -> None:
        """Make epoch after epoch durable, until cancelled."""
        while True:
            await self._wait_until_due()
            await self._end_epoch()

    def status(self) -> dict[str, object]:
        """Progress of this partition, for people."""
        return {
            "partition": self.partition,
            "next_offset": self._expected,
            "unacknowledged": self.unacknowledged,
            **self._fold.status(),
        }

    def _apply(self, message: Message) -> list[OutFact]:
        started_s = perf_counter()
        facts = self._fold.apply(message.value, message.offset)
        metrics.APPLY_SECONDS.inc(perf_counter() - started_s)
        metrics.MESSAGES.inc()
        metrics.MESSAGE_BYTES.inc(len(message.value))
        return facts

    def _measure(self, epoch: Epoch, size_bytes: int) -> None:
        epoch.size_bytes += size_bytes
        self._begin_epoch()
        if len(epoch.messages) >= self._limits.messages or epoch.size_bytes >= self._limits.size_bytes or self._hurried:
            self._due.set()

    async def _wait_until_due(self) -> None:
        await self._begun.wait()
        left_s = self._epoch.opened_at_s + self._limits.age_s - _now_s()
        if left_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), left_s)

    async def _end_epoch(self) -> None:
        async with self._effects.encoding_turn:
            started_s = perf_counter()
            epoch, state = self._close_epoch()
            metrics.ENCODE_SECONDS.inc(perf_counter() - started_s)
            await asyncio.sleep(0)
        await self._make_durable(epoch, state)
        metrics.EPOCHS.inc()
        metrics.EPOCH_SECONDS.observe(perf_counter() - started_s)

    async def _make_durable(self, epoch: Epoch, state: State) -> None:
        effects = self._effects
        # E1: every fact of the epoch is acknowledged before any state that contains it is sent.
        await effects.facts.settle(epoch.receipt)
        if state.pages:
            # E2: each page carries its version, so that a replay after a crash here does not apply a message to it twice.
            effects.check_pause()
            await effects.write_state(self.partition, state.pages)
        if state.position is not None:
            # E3: the position lists the pages' versions, so it comes after all of them.
            effects.check_pause()
            await effects.write_state(self.partition, [state.position])
        # E4: only what is durable may be committed, in order.
        effects.check_pause()
        while self._waiting and state.durable_to is not None and self._waiting[0].offset < state.durable_to:
            effects.acknowledge(self._waiting.popleft())
            self.unacknowledged -= 1
        if self._waiting:
            # Pages wait for their turn: it comes by age too, for there may be no further message.
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        """Its age counts from here, if it did not begin before."""
        if not self._begun.is_set():
            self._epoch.opened_at_s = _now_s()
            self._begun.set()

    def _close_epoch(self) -> tuple[Epoch, State]:
        """The epoch and what is to be written of exactly its state; the next epoch is open. No await: nothing may be applied in between."""
        epoch, self._epoch = self._epoch, Epoch()
        self._begun.clear()
        self._due.clear()
        replayed = not epoch.applied and not self._waiting
        self._waiting += epoch.messages
        if replayed:
            return epoch, State([], None, self.durable_to)
        pages = [(page_key(self.partition, page), record) for page, record in self._fold.take_dirty(None if self._hurried else self._limits.state_bytes)]
        durable_to = self._fold.durable_to()
        position = None if durable_to == self._position_at else (position_key(self.partition), self._fold.position())
        self._position_at = durable_to
        return epoch, State(pages, position, durable_to)


def _now_s() -> float:
    """The event loop's clock, which timeouts go by: monotonic, and simulated where the loop is."""
    return asyncio.get_running_loop().time()

"""What ingest needs of the world: records in, messages out, offsets kept. Kafka is in `kafka`; the simulation has a twin in memory.

Rule: a source calls its owner from inside `read` and `close` only, so the owner never sees partitions come or go in the middle of its own work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, Protocol

from services.ingest.batcher import RawPartition
from services.runtime.clock import Clock
from services.runtime.errors import ServiceError


class LogLost(ServiceError):
    """Records that were never read are gone from a raw topic: a human must decide (backfill, or accept the loss)."""

    exit_code = 66


def replaced(topic: str) -> str:
    """Why a line stops whose topic is another than before, and what to do."""
    return (
        f"{topic} was deleted, and made anew since: what was not read of it is gone, and its offsets mean other records now. "
        "Restore the old topic; or meter what there is anew: `quarterhour rebuild`."
    )


class Start(NamedTuple):
    """A raw partition that was just assigned: what the group committed there, where the log begins now, and which log it is."""

    committed: int | None
    metadata: str
    low: int
    log_id: str = ""
    """The topic's id: its name alone may be that of another topic by now. Empty: unknown."""


class Mark(NamedTuple):
    """An offset to commit, and what goes with it."""

    offset: int
    metadata: str


RawValue = tuple[int, int, bytes | None]
"""(offset, log time, value) of a record."""


class Run(NamedTuple):
    """Records of one raw partition in a row; at least one."""

    raw: RawPartition
    records: list[RawValue]


class Owner(Protocol):
    """Whom partitions come to and go from."""

    def assigned(self, starts: Mapping[RawPartition, Start]) -> Mapping[RawPartition, int]:
        """Where to read on, of each partition. Raises LogLost."""

    def revoked(self, raws: Sequence[RawPartition]) -> None:
        """They will be another's when this returns: finish first. What was read before may be committed still."""

    def lost(self, raws: Sequence[RawPartition]) -> None:
        """They are another's already."""


class RawSource(Protocol):
    """The raw topics, as a member of a group reads them."""

    def join(self, owner: Owner) -> None:
        """Enter the group; partitions come later, inside `read`."""

    def read(self, records_max: int, wait_s: float) -> Sequence[Run]:
        """Records of assigned partitions, of each in order; it may hand out some that were fetched before a rebalance. Raises LogLost."""

    def end_of(self, raw: RawPartition) -> int | None:
        """The offset that the next record of the partition will get, as far as is known here; None: unknown."""

    def close(self) -> None:
        """Leave the group."""


class Committer(Protocol):
    """Where the group's offsets are kept."""

    def commit(self, marks: Mapping[RawPartition, Mark], *, wait: bool) -> None:
        """Keep them; without `wait` some time later, in the order of the calls."""


Delivered = Callable[[str | None], None]
"""Called once for each message: None: the brokers have it for good; a text: why they may not have it."""


class Outgoing(Protocol):
    """The topics that ingest writes. `delivered` is called from inside `serve` and `flush` (and `send`, when it has to wait) only."""

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes, delivered: Delivered) -> None: ...

    def serve(self, wait_s: float) -> None:
        """Hear of deliveries; return early when there were some."""

    def flush(self, wait_s: float) -> bool:
        """Wait until all that was sent is delivered; False: not in time."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All of it."""

    source: RawSource
    committer: Committer
    outgoing: Outgoing
    clock: Clock
    end: Callable[[str], NoReturn]
    """End the process at once, for this reason."""

"""Where facts come from. The port; Kafka is beside it (`kafka.py`), the simulation has a twin in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from services.runtime.errors import ServiceError
from services.sink.waiting import Partition


class FactRecord(NamedTuple):
    """One record of an aggregate topic, not yet believed to be a fact."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


class FactsLost(ServiceError):
    """Facts that were never stored are gone from an aggregate topic: a human must decide. `str()` says what to do."""

    exit_code = 66


class NotCommitted(Exception):
    """The group did not take the offsets; they may be tried again. `str()` is the reason."""


class Owner(Protocol):
    """Whom partitions come to and go from. Called from inside `next` and `close` only."""

    def assigned(self, partitions: Sequence[Partition]) -> None: ...

    def taken_away(self, partitions: Sequence[Partition]) -> None:
        """They are another's now, who reads on from the committed offsets."""


class FactSource(Protocol):
    """The aggregate topics, as a member of a group reads them from its committed offsets on."""

    def join(self, owner: Owner) -> None:
        """Enter the group; partitions come later."""

    def next(self, wait_s: float) -> FactRecord | None:
        """The next record of a partition that is owned and not held; asking keeps the membership. Raises Unavailable, FactsLost."""

    def hold(self, *, held: bool) -> None:
        """Hand out nothing of the partitions that are owned now; or hand out again."""

    def commit(self, offsets: Mapping[Partition, int]) -> Collection[Partition]:
        """Keep them; those that were kept. Raises NotCommitted."""

    def close(self) -> None:
        """Leave the group."""

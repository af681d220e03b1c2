"""Facts as the proof compares them: by id, by the hash of their content, inside or outside of what was asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from services.events import topics
from services.events.event import Accepted, TalkEvent
from services.events.keys import USAGE, VOICE, talk_key
from services.events.pages import page_of, partition_of
from services.events.times import format_ms
from services.sink.rows import Row

METERED: Final = (topics.SESSIONS, topics.EPISODES, topics.PEAKS, topics.LOGINS, topics.ASSIGNMENTS)
"""Topics of facts that the processors write."""
COMPARED: Final = (*METERED, topics.REJECTED)
"""Topics of facts that follow from the raw log."""

_START: Final = {topics.PEAKS: "quarter", topics.REJECTED: "log_time"} | dict.fromkeys(
    (topics.SESSIONS, topics.EPISODES, topics.LOGINS, topics.ASSIGNMENTS), "start"
)
"""The instant by which a fact belongs to a range (T5); the column has the same name."""
_OF_WORKSPACE: Final = frozenset((topics.PEAKS, topics.LOGINS, topics.ASSIGNMENTS))


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be proven: one workspace or all, and the facts that start in [from, to).

    In so many `passes` over the raw log, each with the facts of its share of the batches partitions: what is in memory at one time is less by as much.
    """

    workspace: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    passes: int = 1
    turn: int = 0

    @property
    def bounded(self) -> bool:
        """Whether a range was asked for."""
        return self.from_ms is not None or self.to_ms is not None

    def wants(self, workspace_id: str) -> bool:
        return self.workspace is None or workspace_id == self.workspace

    def turns(self) -> Iterator[Scope]:
        """This scope for each pass."""
        return (replace(self, turn=turn) for turn in range(self.passes))

    def takes(self, partition: int) -> bool:
        """Whether facts of this batches partition are looked at in this pass."""
        return partition % self.passes == self.turn

    def texts(self) -> tuple[str, str]:
        """The range as texts that sort as instants do."""
        return ("" if self.from_ms is None else format_ms(self.from_ms)), ("~" if self.to_ms is None else format_ms(self.to_ms))


def id_of(row: Row) -> str:
    """The first field of every fact."""
    return str(getattr(row, row.__struct_fields__[0]))


def start_field(topic: str) -> str:
    """Name of the field that says where the fact starts."""
    return _START[topic]


def content(row: Row) -> int:
    """A hash of everything but id and revision: equal contents have equal ones, within one process."""
    fields = msgspec.structs.astuple(row)[2:]
    try:
        return hash(fields)
    except TypeError:
        return hash(tuple(map(_hashable, fields)))


def owner(topic: str, row: Any, pages: int, partitions: int) -> int | None:
    """The batches partition that publishes the fact; none for what is published once for all: alerts, by their own id, and refusals."""
    if topic in _OF_WORKSPACE:
        name = row.workspace_id
    elif topic == topics.EPISODES or (topic == topics.SESSIONS and row.type != "alert"):
        name = talk_key(VOICE if topic == topics.SESSIONS and row.type == "voice" else USAGE, row.workspace_id, row.app_id, row.conversation_id)
    else:
        return None
    return partition_of(page_of(name, pages), partitions)


def home(topic: str, row: Any, pages: int, partitions: int) -> int:
    """The batches partition with which a fact is looked at: its owner, or for what has none that of its workspace."""
    mine = owner(topic, row, pages, partitions)
    return partition_of(page_of(row.workspace_id, pages), partitions) if mine is None else mine


def page_of_event(event: Accepted, pages: int) -> int:
    """The page whose state an accepted event changes."""
    return page_of(event.key if isinstance(event, TalkEvent) else event.workspace_id, pages)


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return tuple(sorted(value.items())) if isinstance(value, dict) else value

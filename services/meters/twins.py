"""Which twin of the hot path works: the compiled one where it was built, else the Python one. Both give the same bytes (tests/meters/test_twins.py)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple, Protocol

from services.events import topics
from services.events.batches import BatchFormatError, Rows
from services.events.event import Event
from services.events.outgoing import OutFact
from services.meters.rules import Rules
from services.meters.state import seats_corrupt
from services.meters.talks import Talks
from services.meters.teams import Teams
from services.native import load, required


class TalksTwin(Protocol):
    """What the fold asks of `Talks`."""

    @property
    def count(self) -> int: ...
    def apply(self, rows: Rows, unseen: bytes, from_ms: int, to_ms: int, ahead: Collection[int], revision: int) -> list[OutFact]: ...
    def take_changed(self, ahead: Collection[int]) -> Iterable[int]: ...
    def sweep(self, least_log_ms: int) -> Collection[int]: ...
    def flush(self) -> None: ...
    def settle(self, page: int, whole: bool) -> list[bytes]: ...
    def load(self, page: int, unsettled: list[bytes], settled: list[bytes], published_ms: int) -> None: ...


class TeamsTwin(Protocol):
    """What the fold asks of `Teams`."""

    def apply(self, events: list[tuple[int, Event]], from_ms: int, to_ms: int, ahead: Collection[int], revision: int) -> list[OutFact]: ...
    def take_changed(self, ahead: Collection[int]) -> Iterable[int]: ...
    def sweep(self, least_log_ms: int, watermark_ms: int) -> None: ...
    def states_of(self, page: int) -> list[bytes]: ...
    def load(self, page: int, states: list[bytes], published_ms: int) -> None: ...


class Twins(NamedTuple):
    """One of each, for a fold."""

    talks: Callable[[Rules], TalksTwin]
    teams: Callable[[Rules], TeamsTwin]


class NativeTalks:
    """`Talks`, compiled. Raises ImportError where it was not built."""

    def __init__(self, rules: Rules) -> None:
        native = required()
        self._damaged: type[ValueError] = native.RowsDamaged
        numbers = (rules.silence_max_ms, rules.end_grace_ms, rules.human_timeout_ms, rules.call_max_ms, rules.lateness_ms)
        self._native = native.Talks(*numbers, OutFact, topics.FACT_TOPICS)
        self.sweep = self._native.sweep
        self.flush = self._native.flush
        self.settle = self._native.settle
        self.load = self._native.load

    @property
    def count(self) -> int:
        """How many talks are kept."""
        found: int = self._native.count
        return found

    def take_changed(self, ahead: Collection[int]) -> Iterable[int]:
        """See `Talks.take_changed`."""
        found: list[int] = self._native.take_changed(list(ahead))
        return found

    def apply(self, rows: Rows, unseen: bytes, from_ms: int, to_ms: int, ahead: Collection[int], revision: int) -> list[OutFact]:
        """See `Talks.apply`."""
        texts = (bytes(column) for column in (rows.keys, rows.whos, rows.message_ids))
        try:
            facts: list[OutFact] = self._native.apply(rows.pages, rows.kinds, rows.times_ms, *texts, unseen, from_ms, to_ms, list(ahead), revision)
        except self._damaged as error:
            raise BatchFormatError(str(error)) from None
        return facts


class NativeTeams:
    """`Teams`, compiled. Raises ImportError where it was not built."""

    def __init__(self, rules: Rules) -> None:
        self._native = required().Teams(rules.login_timeout_ms, rules.lateness_ms, OutFact, topics.FACT_TOPICS)
        self.sweep = self._native.sweep
        self.states_of = self._native.states_of

    def apply(self, events: list[tuple[int, Event]], from_ms: int, to_ms: int, ahead: Collection[int], revision: int) -> list[OutFact]:
        """See `Teams.apply`."""
        facts: list[OutFact] = self._native.apply(events, from_ms, to_ms, list(ahead), revision)
        return facts

    def take_changed(self, ahead: Collection[int]) -> Iterable[int]:
        """See `Teams.take_changed`."""
        found: list[int] = self._native.take_changed(list(ahead))
        return found

    def load(self, page: int, states: list[bytes], published_ms: int) -> None:
        """See `Teams.load`."""
        for state in states:
            try:
                self._native.load(page, state, published_ms)
            except ValueError as error:
                raise seats_corrupt(state, error) from None


PYTHON: Final = Twins(Talks, Teams)
COMPILED: Final = Twins(NativeTalks, NativeTeams)


def fastest() -> Twins:
    """The compiled ones where they were built."""
    return PYTHON if load() is None else COMPILED

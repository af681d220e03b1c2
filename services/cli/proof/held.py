"""An aggregate topic, folded by (id, highest revision): what billing holds, and what of it belongs to the cut."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from services.cli.offsets import Where
from services.cli.proof.cut import Cut
from services.cli.proof.facts import Scope, content, home, id_of, owner, start_field
from services.cli.proof.findings import Body, Finding, Findings, Kind
from services.cli.proof.reading import every
from services.cli.proof.record import Record
from services.runtime.settings import KafkaSettings, Settings
from services.sink.rows import Unreadable, read_row


@dataclass(slots=True)
class Revision:
    """One revision of a fact, and where in its topic it is."""

    number: int
    hash: int
    live: bool
    inside: bool
    place: tuple[int, int]
    owner: int | None


@dataclass(slots=True)
class Fact:
    """A fact: its newest revision, and the newest one of the cut."""

    newest: Revision
    cut: Revision | None


class Held:
    """One topic's facts by id."""

    def __init__(self, topic: str, settings: Settings, cut: Cut, scope: Scope, findings: Findings) -> None:
        self.topic = topic
        self.facts: dict[str, Fact] = {}
        self._kafka, self._pages, self._partitions = settings.kafka, settings.processors.pages, settings.kafka.batches_partitions
        self._versions = {partition: cut.version(partition) for partition in cut.processors}
        self._scope, self._range, self._findings = scope, scope.texts(), findings
        self._contents: dict[int, int] = {}

    def add_all(self, records: Iterable[Record]) -> None:
        """Fold records in; what is no fact, and one revision with two contents, is found."""
        for record in records:
            try:
                row = read_row(self.topic, record.value)
            except Unreadable as reason:
                if self._scope.turn == 0:
                    self._findings.say(Finding(Kind.NO_FACT, self.topic, f"{record.partition}/{record.offset}", str(reason)))
                continue
            if self.takes(row):
                self._add(row, record)

    def takes(self, row: Any) -> bool:
        """Whether the fact is looked at in this pass."""
        if not self._scope.wants(row.workspace_id):
            return False
        return self._scope.passes == 1 or self._scope.takes(home(self.topic, row, self._pages, self._partitions))

    def value(self, revision: Revision) -> Body:
        """The revision itself."""
        return value_at(self._kafka, self.topic, revision.place)

    def _add(self, row: Any, record: Record) -> None:
        ident = id_of(row)
        start = getattr(row, start_field(self.topic))
        inside = self._range[0] <= start < self._range[1]
        partition = owner(self.topic, row, self._pages, self._partitions)
        found = Revision(row.revision, content(row), row.status != "void", inside, (record.partition, record.offset), partition)
        held = self.facts.get(ident)
        self._check_content(ident, found)
        in_cut = partition is None or found.number <= self._versions.get(partition, -1)
        if held is None:
            self.facts[ident] = Fact(found, found if in_cut else None)
            return
        if found.number >= held.newest.number:
            held.newest = found
        if in_cut and (held.cut is None or found.number >= held.cut.number):
            held.cut = found

    def _check_content(self, ident: str, found: Revision) -> None:
        first = self._contents.setdefault(hash((ident, found.number)), found.hash)
        if first != found.hash:
            note = f"revision {found.number}, again at partition {found.place[0]} offset {found.place[1]}"
            self._findings.add(Kind.TWO_REVISIONS, lambda: Finding(Kind.TWO_REVISIONS, self.topic, ident, note, found=self.value(found)))


def value_at(kafka: KafkaSettings, topic: str, place: tuple[int, int]) -> Body:
    """The JSON of one record."""
    where: Where = (topic, place[0])
    for record in every(kafka, {where: range(place[1], place[1] + 1)}):
        found: Body = msgspec.json.decode(record.value or b"{}")
        return found
    return {}

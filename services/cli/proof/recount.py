"""Count the raw log again, up to each line of the ledger, and hold the lines against it (SPEC §7). Pure.

Each line is proven at its own offsets: an ingest line against all records of its raw partition, a processor's line against the accepted events of that raw
partition that belong to its batches partition. So the ledger is held to at any time, not only when everything has come to rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.cli.offsets import Where
from services.cli.proof.cut import Cut, Line
from services.cli.proof.findings import Body, Finding, Findings, Kind
from services.events import topics


@dataclass(slots=True)
class Counts:
    """Of one raw partition: all that was read, and what of it the lines should say."""

    stops: Mapping[int, int]
    """Batches partition → first offset behind the cut; ingest is -1."""
    records: int = 0
    accepted: int = 0
    refused: int = 0
    control: int = 0
    read_of_line: int = 0
    accepted_of_line: int = 0
    control_of_line: int = 0
    rejected_of_line: Counter[str] = field(default_factory=Counter)
    applied_of_line: Counter[int] = field(default_factory=Counter)

    def event(self, offset: int, partition: int) -> None:
        """An accepted event of a batches partition."""
        self.accepted += 1
        if offset < self.stops.get(-1, 0):
            self.read_of_line += 1
            self.accepted_of_line += 1
        if offset < self.stops.get(partition, 0):
            self.applied_of_line[partition] += 1

    def refusal(self, offset: int, reason: str) -> None:
        """A record that is no event."""
        self.refused += 1
        if offset < self.stops.get(-1, 0):
            self.read_of_line += 1
            self.rejected_of_line[reason] += 1

    def closed(self, offset: int) -> None:
        """A control record (E8)."""
        self.control += 1
        if offset < self.stops.get(-1, 0):
            self.control_of_line += 1


class Recount:
    """All raw partitions."""

    def __init__(self, cut: Cut, held: Iterable[Where]) -> None:
        stops = cut.stops()
        self.partitions: dict[Where, Counts] = {where: Counts(stops.get(where, {})) for where in held}

    def total(self, name: str) -> int:
        """`records`, `accepted`, `refused` or `control` of all partitions."""
        return sum(getattr(counts, name) for counts in self.partitions.values())


def check_lines(cut: Cut, recount: Recount, held: Mapping[Where, range], batches_partitions: int, findings: Findings) -> int:
    """Every line that must be there is there and says what the raw log says. Gives the number of lines."""
    checked = 0
    for where, counts in recount.partitions.items():
        line = cut.ingest.get(where)
        if line is None:
            _missing(findings, f"ingest/{where[0]}/{where[1]}")
        elif _is_whole(line, held[where], findings):
            _check(line, _ingest_counts(counts), findings)
            checked += 1
        for partition in range(batches_partitions):
            line = cut.processors.get(partition, {}).get(where)
            if line is None:
                _missing(findings, f"processor/{where[0]}/{where[1]}/{partition}")
            elif line.from_offset >= held[where].start:
                applied = counts.applied_of_line[partition]
                _check(line, {"applied": applied, "accepted": applied + line.covered}, findings)
                checked += 1
    return checked


def _ingest_counts(counts: Counts) -> Body:
    rejected = dict(counts.rejected_of_line)
    return {"read": counts.read_of_line, "accepted": counts.accepted_of_line, "control": counts.control_of_line, "rejected": rejected}


def _is_whole(line: Line, held: range, findings: Findings) -> bool:
    """Whether the raw log still holds all that the line counts, and nothing before it."""
    if line.from_offset == held.start and line.to_offset <= held.stop:
        return True
    if line.to_offset > held.stop:
        note = f"the line counts up to offset {line.to_offset}, but the raw log ends at {held.stop}: was the topic deleted and made anew?"
    elif line.from_offset < held.start:
        note = f"offsets {line.from_offset} to {held.start} are gone from the raw log: what they said cannot be proven any more"
    else:
        note = f"offsets {held.start} to {line.from_offset} of the raw log are in no line: ingest did not begin at the log's beginning"
    findings.say(Finding(Kind.LOG_CUT, topics.LEDGER, line.ledger_id, note))
    return False


def _check(line: Line, expected: Body, findings: Findings) -> None:
    found = {name: getattr(line, name) for name in expected}
    if found != expected:
        note = f"offsets {line.from_offset} to {line.to_offset}"
        findings.say(Finding(Kind.LINE_WRONG, topics.LEDGER, line.ledger_id, note, expected, found))


def _missing(findings: Findings, ledger_id: str) -> None:
    findings.say(Finding(Kind.LINE_MISSING, topics.LEDGER, ledger_id))

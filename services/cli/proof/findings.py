"""What the proof finds: every difference is counted, the first ones of each kind are kept with both sides. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

Body = dict[str, Any]


class Kind(StrEnum):
    """What is wrong. The values are part of the output for machines."""

    LOST = "lost"
    """The raw log gives a fact that the topic does not have."""
    CHANGED = "changed"
    """The topic has another content than the raw log gives."""
    EXTRA = "extra"
    """The topic has a fact that the raw log does not give."""
    STORE_LOST = "store_lost"
    """ClickHouse lacks a fact of the topic."""
    STORE_CHANGED = "store_changed"
    """ClickHouse has another revision or content than the topic."""
    STORE_EXTRA = "store_extra"
    """ClickHouse has a fact that is in no topic."""
    TWO_REVISIONS = "two_revisions"
    """A topic has the same id and revision with two contents."""
    TWO_EVENTS = "two_events"
    """Two events of one source and id with two contents: the sender's error (SPEC §3)."""
    NO_FACT = "no_fact"
    """A record of an aggregate topic that is no fact."""
    LINE_MISSING = "line_missing"
    """A part of the work has no line in the ledger."""
    LINE_WRONG = "line_wrong"
    """A line of the ledger says something else than the raw log, or does not balance."""
    LOG_CUT = "log_cut"
    """Records that the ledger counts are gone from the raw log, or records of the raw log are in no line."""
    SEATS = "seats"
    """ClickHouse's own count of the most agents at one time is not the published peak."""
    BEHIND = "behind"
    """A part of the work has not come so far, so that something could not be proven yet."""


MEANING: Final[dict[Kind, str]] = {
    Kind.LOST: "facts that the raw log gives are not in the topic",
    Kind.CHANGED: "facts of the topic have another content than the raw log gives",
    Kind.EXTRA: "facts of the topic do not follow from the raw log",
    Kind.STORE_LOST: "facts of the topic are not in ClickHouse",
    Kind.STORE_CHANGED: "facts are another in ClickHouse than in the topic",
    Kind.STORE_EXTRA: "facts of ClickHouse are in no topic",
    Kind.TWO_REVISIONS: "times the same id and revision has two contents",
    Kind.TWO_EVENTS: "pairs (source, id) came with two contents: the sender's error",
    Kind.NO_FACT: "records of the aggregate topics are no facts",
    Kind.LINE_MISSING: "lines of the ledger are missing",
    Kind.LINE_WRONG: "lines of the ledger are wrong",
    Kind.LOG_CUT: "partitions of the raw log lack what the ledger counts, or hold what it does not",
    Kind.SEATS: "seat peaks are not what ClickHouse's maxIntersections counts",
    Kind.BEHIND: "parts are behind: run `quarterhour wait`, then verify again",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `id` names the fact, line or event; `expected` and `found` are the two sides, where there are any."""

    kind: Kind
    where: str
    id: str
    note: str = ""
    expected: Body | None = None
    found: Body | None = None


@dataclass(slots=True)
class Findings:
    """All differences by kind; `kept_max` of each kind are kept (none: all)."""

    kept_max: int | None = 20
    counts: Counter[Kind] = field(default_factory=Counter)
    kept: list[Finding] = field(default_factory=list)

    def add(self, kind: Kind, make: Callable[[], Finding]) -> None:
        """Count one; `make` is called only if it is kept, for it may have to look things up."""
        self.counts[kind] += 1
        if self.kept_max is None or self.counts[kind] <= self.kept_max:
            self.kept.append(make())

    def say(self, finding: Finding) -> None:
        """Count one that is made already."""
        self.add(finding.kind, lambda: finding)


def differences(expected: Body, found: Body) -> dict[str, tuple[Any, Any]]:
    """Field → (expected, found) where they are not equal."""
    names = dict.fromkeys((*expected, *found))
    return {name: (expected.get(name), found.get(name)) for name in names if expected.get(name) != found.get(name)}

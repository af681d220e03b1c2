"""Fact by fact: what the raw log gives against the topic's cut, and the topic's newest revisions against ClickHouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from services.cli.offsets import Where
from services.cli.proof.cut import Cut
from services.cli.proof.facts import content, id_of
from services.cli.proof.findings import Body, Finding, Findings, Kind
from services.cli.proof.held import Fact, Held
from services.cli.proof.recompute import Recompute
from services.events import topics
from services.sink.rows import INSTANT, TABLES, Row, read_row

_FIRST_INSTANT: Final = "1900-01-01T00:00:00.000Z"
_LAST_INSTANT: Final = "2299-12-31T23:59:59.999Z"
_UNCOMPARED: Final = ("revision",)


def compare_recomputed(held: Held, recompute: Recompute, cut: Cut, findings: Findings) -> int:
    """Find what the topic's cut lacks, has too much, or has otherwise. Gives the number of facts inside of what was asked for."""
    computed = recompute.facts.get(held.topic, {})
    may_be_early = _early(held, recompute, cut)
    for ident, fact in held.facts.items():
        published = fact.cut if fact.cut is not None and fact.cut.live else None
        expected = computed.get(ident)
        if published is None or not (published.inside or (expected is not None and expected.inside)):
            continue
        if expected is None:
            if not may_be_early(ident):
                findings.add(Kind.EXTRA, lambda i=ident, p=published: Finding(Kind.EXTRA, held.topic, i, found=_shown(held.value(p))))  # type: ignore[misc]
        elif expected.hash != published.hash:
            findings.add(
                Kind.CHANGED,
                lambda i=ident, e=expected, p=published: Finding(  # type: ignore[misc]
                    Kind.CHANGED, held.topic, i, expected=_shown(recompute.value(e)), found=_shown(held.value(p))
                ),
            )
    for ident, expected in computed.items():
        if expected.inside and _is_absent(held.facts.get(ident)):
            findings.add(Kind.LOST, lambda i=ident, e=expected: Finding(Kind.LOST, held.topic, i, expected=_shown(recompute.value(e))))  # type: ignore[misc]
    return sum(expected.inside for expected in computed.values())


def unlike_stored(held: Held, rows: Iterable[Row]) -> tuple[set[str], int]:
    """(ids of facts that are not the same in ClickHouse, number of rows that are not void). Only a first look: a live system moves on while it is read."""
    missing = {ident for ident, fact in held.facts.items() if fact.newest.inside}
    unlike: set[str] = set()
    count = 0
    for row in rows:
        if not held.takes(row):
            continue
        count += row.status != "void"  # type: ignore[attr-defined]  # rows are made from the list of columns
        ident = id_of(row)
        missing.discard(ident)
        if not _same(held.facts.get(ident), row):
            unlike.add(ident)
    return unlike | missing, count


def compare_stored(held: Held, ids: Iterable[str], stored: Mapping[str, Row], findings: Findings) -> None:
    """Find what ClickHouse lacks, has too much, or has otherwise, of these ids."""
    for ident in sorted(ids):
        fact, row = held.facts.get(ident), stored.get(ident)
        if fact is None and row is not None:
            findings.add(Kind.STORE_EXTRA, lambda i=ident, r=row: Finding(Kind.STORE_EXTRA, _table(held), i, found=_body(r)))  # type: ignore[misc]
        elif fact is not None and row is None:
            findings.add(Kind.STORE_LOST, lambda i=ident, f=fact: Finding(Kind.STORE_LOST, _table(held), i, expected=held.value(f.newest)))  # type: ignore[misc]
        elif fact is not None and row is not None and not _same(fact, row) and not _same_at_the_edge(held, fact, row):
            findings.add(
                Kind.STORE_CHANGED,
                lambda i=ident, f=fact, r=row: Finding(  # type: ignore[misc]
                    Kind.STORE_CHANGED, _table(held), i, expected=held.value(f.newest), found=_body(r)
                ),
            )


def _early(held: Held, recompute: Recompute, cut: Cut) -> Callable[[str], bool]:
    """Whether a fact may be published though its event lies behind the cut: alerts and refusals, which nothing holds back."""
    if held.topic == topics.SESSIONS:
        return recompute.later_alerts.__contains__
    if held.topic != topics.REJECTED:
        return lambda _ident: False

    def behind(ident: str) -> bool:
        topic, partition, offset = ident.split("/")
        where: Where = (topic, int(partition))
        return where not in cut.ingest or int(offset) >= cut.ingest[where].to_offset

    return behind


def _is_absent(fact: Fact | None) -> bool:
    return fact is None or fact.cut is None or not fact.cut.live


def _same(fact: Fact | None, row: Any) -> bool:
    return fact is not None and fact.newest.number == row.revision and fact.newest.hash == content(row)


def _same_at_the_edge(held: Held, fact: Fact, row: Any) -> bool:
    """ClickHouse shows instants before 1900 and after 2299 as the edge of that range (`services.sink.rows`)."""
    body = held.value(fact.newest)
    instants = [name for name, kind in TABLES[held.topic].columns.items() if INSTANT in kind and body[name] is not None]
    body |= {name: min(max(body[name], _FIRST_INSTANT), _LAST_INSTANT) for name in instants}
    return content(read_row(held.topic, msgspec.json.encode(body))) == content(row) and body["revision"] == row.revision


def _shown(body: Body) -> Body:
    return {name: value for name, value in body.items() if name not in _UNCOMPARED}


def _body(row: Row) -> Body:
    return msgspec.structs.asdict(row)


def _table(held: Held) -> str:
    return TABLES[held.topic].name

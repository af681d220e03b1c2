"""ETags of answers about ranges that are over. Pure but for the reader it is given.

Rule: a tag changes whenever the numbers can. It digests what was asked, the scope, and the state of the facts that the answer rests on: the last insert of a
session or conversation of these days, and of the other facts the sum of their newest revisions. A revision only grows (T3), so that sum grows with every
correction and every new fact. No clock is part of it: an answer that did not change keeps its tag.
A range is over when the watermark has passed its end. Of one that is open there is no tag; nor while an insert is younger than `SETTLE_S`, for what is
seen of it may be half. Tags are weak: `as_of` in an answer that was kept is the one of then.
Limit: an insert that lasts longer than `SETTLE_S` and is not the newest of its days (as for the counts, sql/clickhouse/0003_counts.sql).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal

from services.query.counter import SETTLE_S
from services.query.cursor import digest
from services.query.freshness import Reach
from services.query.seat_statements import LOGIN_TIMEOUT_MS
from services.query.statement import FROM, TO, WORKSPACE, Reader, Scope, Statement, scope_parameters, scope_sql

Source = Literal["sessions", "seat_peaks", "agent_logins", "agent_assignments", "rejected_events"]
"""What answers rest on; `sessions`: with their conversations."""
SESSIONS: Final[tuple[Source, ...]] = ("sessions",)
REJECTED: Final[tuple[Source, ...]] = ("rejected_events",)
SEATS: Final[tuple[Source, ...]] = ("seat_peaks", "agent_logins", "agent_assignments")

_MEANING: Final = 1
"""Another number when a release answers the same question about the same facts in another way."""


def closed_tag(reader: Reader, reach: Reach, scope: Scope, span: tuple[int, int], asked: Sequence[object], sources: Collection[Source]) -> str | None:
    """The tag of an answer about [from, to) of `span`; None: it may change at any moment, or a late insert is under way."""
    if reach.as_of_ms is None or reach.as_of_ms <= span[1]:
        return None
    [(is_settled, *state)] = reader.rows(state_statement(scope, span, sources))
    if not is_settled:
        return None
    known = [scope.workspace_id, scope.app_ids, reach.since_ms, sorted(reach.assigned_apps), reach.has_agents]
    return f'W/"{digest([_MEANING, list(asked), list(span), known, [str(value) for value in state]])}"'


def is_known(tag: str, if_none_match: str) -> bool:
    """RFC 9110 §13.1.2: by weak comparison."""
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in known or tag.removeprefix("W/") in known


def state_statement(scope: Scope, span: tuple[int, int], sources: Collection[Source]) -> Statement:
    """One row: whether the sessions are settled, and a value for each source, which changes with its facts."""
    days = f"(SELECT max(touched_at) FROM usage_days WHERE {WORKSPACE} AND day <= toDate({TO} - INTERVAL 1 MILLISECOND))"
    settled = f"{days} + INTERVAL {SETTLE_S} SECOND < now64(6, 'UTC')" if "sessions" in sources else "1"
    values = [f"toString({days})" if source == "sessions" else _revisions(source, scope) for source in sorted(sources)]
    parameters = scope_parameters(scope) | {"from": span[0], "to": span[1]}
    return Statement(f"SELECT {', '.join([f'{settled} AS settled', *values])}", parameters)


def _revisions(source: Source, scope: Scope) -> str:
    """Voids count: a fact that is taken back has a higher revision too. 128 bits, for a new generation adds 2^48 to each."""
    which = {
        "seat_peaks": f"{scope_sql(scope)} AND quarter > {FROM} - INTERVAL 15 MINUTE AND quarter < {TO}",
        "agent_logins": f"{WORKSPACE} AND start < {TO} AND start > {FROM} - INTERVAL {LOGIN_TIMEOUT_MS} MILLISECOND",
        "agent_assignments": f"{scope_sql(scope)} AND start < {TO}",
        "rejected_events": f"{WORKSPACE} AND log_time >= {FROM} AND log_time < {TO}",
    }[source]
    return f"(SELECT toString(sum(toUInt128(revision))) FROM {source} FINAL WHERE {which})"

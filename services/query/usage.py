"""Answer the questions about usage: choose the statements, run them, and put their rows into buckets.

Rule: every bucket of the period is in the answer, with zeros where there is nothing. Peaks of one scope come from the facts of quarters (S3);
peaks of several apps together, and of ranges that cut a quarter, from the logins (S2).
Limit: the statements of one answer are separate reads; facts that arrive in between may be in one and not in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal, Protocol

from services.query.cursor import Cursor, Position, digest, write_cursor
from services.query.models import RangeEcho, ScopeSeats, Seats, Session, SessionPage, TrendBucket, TrendRange, Trends
from services.query.periods import Period
from services.query.seat_statements import assigned_apps, presence_levels, quarter_peaks
from services.query.session_statements import SESSION_FIELDS, SessionQuestion, conversation_counts, session_counts, session_page
from services.query.statement import Scope, Statement

Row = tuple[Any, ...]
Levels = Mapping[tuple[str, int], tuple[int, int]]
"""(app, start of the bucket) → (seats, first instant with so many); app "" is the whole scope together."""

_INSTANTS = ("conversation_start", "conversation_end", "start", "end")
_NONE = (0, 0)


class Reader(Protocol):
    """Where statements run."""

    def rows(self, statement: Statement) -> list[Row]:
        """All rows. Raises Unavailable or TooExpensive."""

    def stream(self, statement: Statement) -> Iterator[bytes]:
        """The bytes of a statement that names its FORMAT. Raises like `rows`, and at any later moment when the stream breaks."""

    def check(self) -> None:
        """Whether the tables can be read. Raises like `rows`."""


def trends(reader: Reader, scope: Scope, period: Period, now_ms: int) -> Trends:
    """SPEC §1: sessions, conversations and seats by bucket."""
    sessions = {row[0]: row[1:] for row in reader.rows(session_counts(scope, period))}
    conversations = dict(_pairs(reader.rows(conversation_counts(scope, period))))
    peaks = _peaks(reader, scope, period, now_ms, each_app=False)
    named = _levels(reader.rows(presence_levels("named", "distinct", scope, period, now_ms, each_app=False)))
    ever_assigned = bool(reader.rows(assigned_apps(scope)))
    agents = _levels(reader.rows(presence_levels("assignments", "distinct", scope, period, now_ms, each_app=False))) if ever_assigned else named
    buckets = []
    for start_ms, end_ms in zip(period.edges_ms, period.edges_ms[1:], strict=False):
        usage, voice, alert = sessions.get(start_ms, (0, 0, 0))
        peak, peak_at_ms = peaks.get(("", start_ms), _NONE)
        bucket = TrendBucket(
            start=period.local(start_ms),
            end=period.local(end_ms),
            open=end_ms > now_ms,
            billing_sessions=usage,
            voice_sessions=voice,
            alert_sessions=alert,
            conversations=conversations.get(start_ms, 0),
            concurrent_seats=peak,
            peak_at=period.local(peak_at_ms) if peak else None,
            named_seats=named.get(("", start_ms), _NONE)[0],
            agent_count=agents.get(("", start_ms), _NONE)[0],
        )
        buckets.append(bucket)
    return Trends(
        workspace_id=scope.workspace_id,
        app_ids=list(scope.app_ids),
        as_of=period.local(now_ms),
        range=TrendRange.model_validate(_range(period) | {"interval": period.interval}),
        agent_count_is=_agent_count_is(ever_assigned),
        buckets=buckets,
    )


def seats(reader: Reader, scope: Scope, period: Period, now_ms: int) -> Seats:
    """S4, S5: the seats of the range, of the scope together and of every app in it."""
    whole = period.whole()
    peaks = _peaks(reader, scope, whole, now_ms, each_app=True)
    named = _levels(reader.rows(presence_levels("named", "distinct", scope, whole, now_ms, each_app=True)))
    agents = _levels(reader.rows(presence_levels("assignments", "distinct", scope, whole, now_ms, each_app=True)))
    assigned = {app for (app,) in reader.rows(assigned_apps(scope))}

    def of(app: str) -> ScopeSeats:
        key = (app, whole.from_ms)
        peak, peak_at_ms = peaks.get(key, _NONE)
        ever_assigned = app in assigned if app else bool(assigned)
        return ScopeSeats(
            scope="app" if app else "apps" if scope.app_ids else "workspace",
            app_id=app or None,
            concurrent_seats=peak,
            peak_at=whole.local(peak_at_ms) if peak else None,
            named_seats=named.get(key, _NONE)[0],
            agent_count=(agents if ever_assigned else named).get(key, _NONE)[0],
            agent_count_is=_agent_count_is(ever_assigned),
        )

    apps = sorted({app for app, _ in (*peaks, *named, *agents)} - {""})
    return Seats(
        workspace_id=scope.workspace_id,
        app_ids=list(scope.app_ids),
        as_of=period.local(now_ms),
        range=RangeEcho.model_validate(_range(period)),
        together=of(""),
        apps=[of(app) for app in apps],
    )


def binding(question: SessionQuestion) -> str:
    """What binds a cursor: the filters, not the range (the cursor holds it in instants) and not the zone (which only shows)."""
    return digest([asdict(question.scope), asdict(question.which), question.order])


def sessions(reader: Reader, question: SessionQuestion, after: Position | None, limit: int, now_ms: int) -> SessionPage:
    """A page of the list; one row more than asked for tells whether there is another."""
    scope, period = question.scope, question.period
    rows = reader.rows(session_page(question, after, limit + 1))
    page = [dict(zip(SESSION_FIELDS, row, strict=True)) for row in rows[:limit]]
    more = None
    if len(rows) > limit:
        last = page[-1]
        more = write_cursor(Cursor(binding(question), period.from_ms, period.to_ms, last["start"], last["billing_session_id"]))
    return SessionPage(
        workspace_id=scope.workspace_id,
        app_ids=list(scope.app_ids),
        as_of=period.local(now_ms),
        range=RangeEcho.model_validate(_range(period)),
        sessions=[_session(fields, period) for fields in page],
        next_cursor=more,
    )


def _session(fields: dict[str, Any], period: Period) -> Session:
    instants = {name: period.local(fields[name]) if fields[name] is not None else None for name in _INSTANTS}
    return Session.model_validate(fields | instants)


def _peaks(reader: Reader, scope: Scope, period: Period, now_ms: int, *, each_app: bool) -> Levels:
    """S3, S4, by the rule of the head. What one app has alone, it has together with itself."""
    if not period.is_whole_quarters:
        return _levels(reader.rows(presence_levels("logins", "peak", scope, period, now_ms, each_app=each_app)))
    peaks = _levels(reader.rows(quarter_peaks(scope, period, each_app=each_app)))
    if len(scope.app_ids) == 1:
        return peaks | {("", bucket_ms): level for (_, bucket_ms), level in peaks.items()}
    if scope.app_ids:
        return peaks | _levels(reader.rows(presence_levels("logins", "peak", scope, period, now_ms, each_app=False)))
    return peaks


def _levels(rows: Iterable[Row]) -> dict[tuple[str, int], tuple[int, int]]:
    return {(app, bucket_ms): (level, at_ms) for app, bucket_ms, level, at_ms in rows}


def _pairs(rows: Iterable[Row]) -> Iterator[tuple[int, int]]:
    return ((bucket_ms, count) for bucket_ms, count in rows)


def _agent_count_is(ever_assigned: bool) -> Literal["assigned", "named_seats"]:
    return "assigned" if ever_assigned else "named_seats"


def _range(period: Period) -> dict[str, object]:
    return {"from": period.local(period.from_ms), "to": period.local(period.to_ms), "timezone": period.zone.key, "range": period.range_name}

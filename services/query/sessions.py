"""A page of the list of sessions. Pure but for the reader it is given."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from services.query.answers import RangeEcho, Session, SessionPage
from services.query.cursor import Cursor, Position, digest, write_cursor
from services.query.periods import Period
from services.query.session_statements import SESSION_FIELDS, SessionQuestion, session_page
from services.query.statement import Reader
from services.query.trends import range_echo

_INSTANTS = ("conversation_start", "conversation_end", "start", "end")


def binding(question: SessionQuestion) -> str:
    """What binds a cursor: the filters, not the range (the cursor holds it in instants) and not the zone (which only shows)."""
    return digest([asdict(question.scope), asdict(question.which), question.order])


def sessions(reader: Reader, question: SessionQuestion, after: Position | None, limit: int, as_of_ms: int | None) -> SessionPage:
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
        as_of=period.local_or_none(as_of_ms),
        range=RangeEcho.model_validate(range_echo(period)),
        sessions=[_session(fields, period) for fields in page],
        next_cursor=more,
    )


def _session(fields: dict[str, Any], period: Period) -> Session:
    instants = {name: period.local(fields[name]) if fields[name] is not None else None for name in _INSTANTS}
    return Session.model_validate(fields | instants)

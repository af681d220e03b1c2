"""Pages of the list of sessions, and one session with what explains it. Pure but for the reader it is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from operator import itemgetter
from typing import Final

from services.query.cursor import Cursor, Position, digest, write_cursor
from services.query.days import ReadDays, page_windows
from services.query.periods import Period
from services.query.session_statements import (
    EPISODE_FIELDS,
    SESSION_FIELDS,
    Key,
    SessionQuestion,
    ends_statement,
    ends_statements,
    episode_statement,
    neighbours_statement,
    session_page,
    session_statement,
)
from services.query.side_by_side import rows_of_each
from services.query.statement import Reader, Row, Scope
from services.query.trends import Json, range_echo

PART_MS: Final = 15 * 60_000
"""What one session covers of the clock (U6)."""
TALK_MS: Final = 6 * 60 * 60_000
"""Before it began hardly a conversation of a session that starts now."""
TALKS_MAX: Final = 2_000
"""More are not read for a page: it asks for its own when it knows them."""
_INSTANTS: Final = ("conversation_start", "start", "end")
_WHY: Final = {
    "U7:full": "It ends where the bot clock reads {to_min} minutes: the conversation went on, or did not end before.",
    "U7:ended": "The conversation ended before the bot clock read {to_min} minutes: it ends where the clock stood then.",
    "U7:stopped": "The bot clock stopped for good before it read {to_min} minutes, for a human agent had the conversation: it ends where the clock stopped.",
    "V1:full": "It ends {to_min} minutes after the call began: the call went on, or its end was not told.",
    "V1:ended": "The call ended before {to_min} minutes: it ends with the call.",
    "A1": "An alert that was delivered is one session; it starts and ends at its delivery.",
}


def binding(question: SessionQuestion) -> str:
    """What binds a cursor: the filters, not the range (the cursor holds it in instants) and not the zone (which only shows)."""
    return digest(["sessions", asdict(question.scope), asdict(question.which), question.order])


def page_answer(reader: Reader, question: SessionQuestion, days: ReadDays, after: Position | None, limit: int, as_of_ms: int | None) -> Json:
    """`answers.SessionPage`; one row more than asked for tells whether there is another page."""
    scope, period = question.scope, question.period
    rows, told = _page_rows(reader, question, days, after, limit + 1, as_of_ms)
    page = [dict(zip(SESSION_FIELDS, row, strict=True)) for row in rows[:limit]]
    more = None
    if len(rows) > limit:
        last = page[-1]
        more = write_cursor(Cursor(binding(question), period.from_ms, period.to_ms, last["start"], last["billing_session_id"]))
    ends = _ends(reader, scope, page, told)
    return {
        "workspace_id": scope.workspace_id,
        "app_ids": list(scope.app_ids),
        "as_of": period.local_or_none(as_of_ms),
        "range": range_echo(period),
        "sessions": [_session(fields, ends, period) for fields in page],
        "next_cursor": more,
    }


def one_answer(reader: Reader, scope: Scope, billing_session_id: str, period: Period) -> Json | None:
    """`answers.OneSession`; None: there is no such session in the scope. Of `period` only the zone counts."""
    found = reader.rows(session_statement(scope, billing_session_id))
    if not found:
        return None
    fields = dict(zip(SESSION_FIELDS, found[0], strict=True))
    if fields["type"] == "alert":
        return _session(fields, {}, period) | {"explanation": _explained(fields, [fields]), "conversation": None, "sessions": []}
    key = _key(fields)
    siblings = [dict(zip(SESSION_FIELDS, row, strict=True)) for row in reader.rows(neighbours_statement(scope, key))]
    ends = _ends(reader, scope, siblings)
    episodes = reader.rows(episode_statement(scope, key)) if fields["type"] == "usage" else []
    return _session(fields, ends, period) | {
        "explanation": _explained(fields, siblings),
        "conversation": _episode(dict(zip(EPISODE_FIELDS, episodes[0], strict=True)), period) if episodes else None,
        "sessions": [_session(sibling, ends, period) for sibling in siblings],
    }


def _page_rows(
    reader: Reader, question: SessionQuestion, days: ReadDays, after: Position | None, wanted: int, as_of_ms: int | None
) -> tuple[list[Row], list[Row]]:
    """The sessions, and rows of `ends_statements` of most of their conversations: those that began shortly before are few, and asked for meanwhile.

    The window grows until there are enough rows: a page of a busy year reads minutes of it.
    """
    descending = question.order == "desc"
    from_ms, to_ms = question.period.from_ms, question.period.to_ms
    if after:
        from_ms, to_ms = (from_ms, after.start_ms + 1) if descending else (after.start_ms, to_ms)
    rows: list[Row] = []
    told: list[Row] = []
    whole = (from_ms, to_ms)
    grown = page_windows(days, *whole, wanted, descending=descending, as_of_ms=as_of_ms)
    pieces = iter([(days(*whole), whole)]) if question.which.is_rare else grown
    for known, window in pieces:
        t0_days, since_ms = known.of_t0(*window), window[0] - TALK_MS
        asked = [session_page(question, t0_days, window, after, wanted - len(rows))]
        if question.which.may_be_usage and not question.which.is_rare and known.rows_at_most(window[1] - since_ms) <= TALKS_MAX:
            asked.append(ends_statement(question.scope, t0_days, (since_ms, window[1])))
        found, *ends = rows_of_each(reader, asked)
        rows += found
        told += chain(*ends)
        if len(rows) >= wanted:
            break
    return rows, told


def _ends(reader: Reader, scope: Scope, sessions: Sequence[Json], rows: Sequence[Row] = ()) -> dict[Key, int | None]:
    """Where the conversations and calls of these sessions end, of those that these rows do not tell. One that the end of its call ended tells it itself."""
    told: dict[Key, int | None] = {_key(fields): fields["end"] for fields in sessions if fields["rule"] == "V1:ended"}
    told |= _by_key(rows)
    wanted = sorted({_key(fields) for fields in sessions if fields["type"] != "alert"} - told.keys())
    return told | _by_key(chain(*rows_of_each(reader, ends_statements(scope, wanted))))


def _by_key(rows: Iterable[Row]) -> dict[Key, int | None]:
    """The end of the row that starts last counts."""
    return {(kind, app, conversation, t0_ms): end_ms for kind, app, conversation, t0_ms, _, end_ms in sorted(rows, key=itemgetter(4))}


def _key(fields: Json) -> Key:
    return fields["type"], fields["app_id"], fields["conversation_id"], fields["conversation_start"]


def _session(fields: Json, ends: dict[Key, int | None], period: Period) -> Json:
    end_ms = fields["end"] if fields["type"] == "alert" else ends.get(_key(fields))
    return fields | {name: period.local(fields[name]) for name in _INSTANTS} | {"conversation_end": period.local_or_none(end_ms)}


def _episode(fields: Json, period: Period) -> Json:
    return fields | {name: period.local_or_none(fields[name]) for name in ("start", "end")}


def _explained(fields: Json, siblings: Sequence[Json]) -> Json:
    """Which part of the clock the session is, and why it ends where it ends (U6, U7, U13). Sessions of a conversation are its parts in order."""
    number = 1 + [sibling["billing_session_id"] for sibling in siblings].index(fields["billing_session_id"])
    to_min = number * PART_MS // 60_000
    return {
        "rule": fields["rule"],
        "text": _WHY[fields["rule"]].format(to_min=to_min),
        "number": number,
        "of": len(siblings),
        "clock_from_ms": 0 if fields["rule"] == "A1" else (number - 1) * PART_MS,
        "clock_to_ms": 0 if fields["rule"] == "A1" else (number - 1) * PART_MS + fields["bot_ms"],
    }

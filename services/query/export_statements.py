"""The CSV of SPEC §1, piece by piece, formatted by ClickHouse: bytes that nobody touches again. Pure.

A piece is some UTC days of t0, or a part of one, so that the sessions of a conversation stand together, its conversation is found in the same piece, and the
pieces in order are the whole file in order: by start of the conversation, then of the session. What a piece needs of memory does not grow with the file.
A statement costs as much as 5,000 rows before the first one comes: so days are put together until they have enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from services.events.times import DAY_MS
from services.query.days import Days, day_start_ms
from services.query.session_statements import SessionQuestion, session_parameters, sessions_sql
from services.query.statement import Scope, Statement, scope_parameters, scope_sql

PIECE_ROWS: Final = 50_000
"""About 100 MB of work for ClickHouse; its fixed cost is a tenth."""
_WIDE: Final = ("\uff1d", "\uff0b", "\uff0d", "\uff20")
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *_WIDE)
"""What makes a spreadsheet run a cell (OWASP: CSV injection; the wide forms do so where they are typed); quotes alone do not help."""
_FORMULA_SQL: Final = "('=', '+', '-', '@', '\\t', '\\r', '\\n')"
_WIDE_SQL: Final = str(_WIDE)
"""Three bytes each."""


@dataclass(frozen=True, slots=True)
class Piece:
    """[from_ms, to_ms) of t0, which lies in these UTC days."""

    days: tuple[str, ...]
    from_ms: int
    to_ms: int


def safe_cell(column: str) -> str:
    """A text that a spreadsheet would run gets a leading apostrophe."""
    runs = f"substring({column}, 1, 1) IN {_FORMULA_SQL} OR substring({column}, 1, 3) IN {_WIDE_SQL}"
    return f"if({runs}, concat('\\'', {column}), {column})"


def local_instant(column: str) -> str:
    """ISO 8601 in the asked zone, as `periods.local_text` writes it; empty where there is none."""
    # The offset is printed without its colon: it goes in behind the hours, the 26th character (a third of the cost of a regular expression).
    return f"ifNull(overlay(formatDateTime({column}, '%Y-%m-%dT%H:%i:%S.%f%z', {{zone:String}}), ':', 27, 0), '')"


CSV_COLUMNS: Final[Mapping[str, str]] = {
    "Bot ID": safe_cell("app_id"),
    "Channel": safe_cell("channel"),
    "Kore User ID": safe_cell("kore_user_id"),
    "Channel User ID": safe_cell("channel_user_id"),
    "Billing Session Type": "type",
    "Conversation Session Id": safe_cell("conversation_id"),
    "Conversation Session Start Date Time": local_instant("conversation_start"),
    "Conversation Session End Date Time": local_instant("conversation_end"),
    "Billing Session Id": "billing_session_id",
    "Billing Session Start Date Time": local_instant("start"),
    "Billing Session End Date Time": local_instant("end"),
    "Message Id": safe_cell("message_id"),
}
"""Title → expression, in the order of SPEC §1."""
_CONVERSATION: Final = "type, app_id, conversation_id, conversation_start"


def pieces(rows_by_t0_day: Mapping[str, int], t0_days: Sequence[str]) -> Iterator[Piece]:
    """Every day, in their order: together while they have less than PIECE_ROWS sessions, in parts of about as many if they lie evenly."""
    together: list[str] = []
    for day in t0_days:
        if together and sum(rows_by_t0_day.get(each, 0) for each in (*together, day)) > PIECE_ROWS:
            yield _whole(together)
            together = []
        if (parts := -(-rows_by_t0_day.get(day, 0) // PIECE_ROWS)) > 1:
            edges = [day_start_ms(day) + DAY_MS * part // parts for part in range(parts + 1)]
            yield from (Piece((day,), from_ms, to_ms) for from_ms, to_ms in pairwise(edges))
        else:
            together.append(day)
    if together:
        yield _whole(together)


def _whole(days: Sequence[str]) -> Piece:
    return Piece(tuple(days), day_start_ms(days[0]), day_start_ms(days[-1]) + DAY_MS)


def rows_by_t0_day(days: Days) -> dict[str, int]:
    """Of the days that are counted."""
    rows: dict[str, int] = {}
    for _, t0_day, count in days.counted:
        rows[t0_day] = rows.get(t0_day, 0) + count
    return rows


def raw_rows_statement(scope: Scope, days: Sequence[str]) -> Statement:
    """Rows (day of t0, rows) of days that are not counted, with old revisions: to cut pieces by."""
    text = f"""SELECT toString(toDate(conversation_start)) AS day, count() FROM billing_sessions
WHERE {scope_sql(scope)} AND toDate(conversation_start) IN {{days:Array(Date)}} GROUP BY day"""
    return Statement(text, scope_parameters(scope) | {"days": list(days)})


def export_statement(question: SessionQuestion, piece: Piece, *, titles: bool) -> Statement:
    """The sessions of the piece as CSV; `titles`: below the line of titles."""
    mine, zone = scope_sql(question.scope), question.period.zone.key
    cells = ",\n    ".join(f"{expression} AS `{title}`" for title, expression in CSV_COLUMNS.items())
    text = f"""SELECT
    {cells}
FROM (
    SELECT sessions.*, if(type = 'alert', end, ended_at) AS conversation_end
    FROM (SELECT * FROM billing_sessions FINAL WHERE {sessions_sql(question)} AND {_in_piece("conversation_start")}) AS sessions
    LEFT JOIN (
        SELECT 'usage' AS type, app_id, conversation_id, start AS conversation_start, end AS ended_at
        FROM conversations FINAL
        WHERE {mine} AND status = 'closed' AND {_in_piece("conversations.start")}
        UNION ALL
        SELECT type, app_id, conversation_id, conversation_start,
            if(argMax(rule, billing_sessions.start) = 'V1:ended', max(billing_sessions.end), NULL) AS ended_at
        FROM billing_sessions FINAL
        WHERE {mine} AND status = 'closed' AND type = 'voice' AND {_in_piece("conversation_start")}
        GROUP BY {_CONVERSATION}
    ) AS ends USING ({_CONVERSATION})
)
ORDER BY conversation_start, app_id, conversation_id, start, billing_session_id
FORMAT {"CSVWithNames" if titles else "CSV"}"""
    window = (question.period.from_ms, question.period.to_ms)
    bounds = {"piece_from": piece.from_ms, "piece_to": piece.to_ms, "zone": zone}
    return Statement(text, session_parameters(question, piece.days, window) | bounds)


def _in_piece(t0: str) -> str:
    first, end = (f"fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')" for name in ("piece_from", "piece_to"))
    return f"toDate({t0}) IN {{t0_days:Array(Date)}} AND {t0} >= {first} AND {t0} < {end}"

"""What handlers share: the key and its scope, the period, the format of the answer, and the problems in the description."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Path, Request, Response

from services.accounts.keys import Principal
from services.query.auth import asks, scope_of
from services.query.cursor import Cursor, CursorError
from services.query.days import Days, ReadDays, Rows, day_of, days_statement
from services.query.export_statements import FORMULA_STARTS
from services.query.freshness import Reach, read_reach
from services.query.parameters import ConversationFilters, Format, RangeParameters
from services.query.periods import Interval, Period, cut, read_period
from services.query.problems import MEDIA_TYPE, ProblemBody
from services.query.session_statements import SessionFilter
from services.query.shell import Shell, shell_of
from services.query.statement import Reader, Scope

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": ProblemBody.model_json_schema()}}}
    for status, description in {
        401: "No usable API key.",
        403: "The key may not do or see this.",
        422: "A parameter is wrong; `errors` names it.",
        429: "The key has used up a limit; `Retry-After` tells when there is some again.",
        500: "An error of ours.",
        503: "A database does not answer, or the question is too expensive.",
    }.items()
}
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: PROBLEMS[422] | {"description": "There is none with this id that the key may see."}}
CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: PROBLEMS[422] | {"description": "It cannot be done as things are; `detail` says what to do first."}}
CSV_TYPE: Final = "text/csv; charset=utf-8; header=present"
CSV_ANSWER: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
"""Beside the JSON of the response model."""

Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Reads = Annotated[Principal, Depends(asks("read"))]
Exports = Annotated[Principal, Depends(asks("export"))]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the handlers see it."""

    shell: Shell
    principal: Principal
    reader: Reader
    scope: Scope
    now_ms: int

    @property
    def reach(self) -> Reach:
        """As it was within the last `reach_kept_ms`."""
        return self._reach(only_watermark=False)

    @property
    def watermark(self) -> Reach:
        """What lists need of it: not the first fact, and not who was ever assigned."""
        return self._reach(only_watermark=True)

    def _reach(self, *, only_watermark: bool) -> Reach:
        def read(reader: Reader) -> Reach:
            return read_reach(reader, self.scope, only_watermark=only_watermark)

        # What is read beside requests is nobody's cost.
        return self.shell.reaches.get((self.scope, only_watermark), lambda: read(self.reader), lambda: read(self.shell.readers.of(self.principal)))


def asked_of(request: Request, principal: Principal, app_ids: list[str]) -> Asked:
    shell = shell_of(request)
    return Asked(shell, principal, shell.readers.of(principal, request.state.spent.add), scope_of(principal, app_ids), shell.clock_ms())


def period_of(asked: RangeParameters, now_ms: int, interval: Interval | None = None) -> Period:
    return read_period(now_ms, timezone=asked.timezone, range_name=asked.range, from_text=asked.from_, to_text=asked.to, interval=interval)


def period_of_cursor(cursor: Cursor, asked: Period) -> Period:
    """The range in which the first page was read: a named range may have moved on since; another custom range is another question."""
    if asked.range_name is None and (cursor.from_ms, cursor.to_ms) != (asked.from_ms, asked.to_ms):
        raise CursorError("the cursor belongs to a question with another range")
    return replace(asked, edges_ms=cut(cursor.from_ms, cursor.to_ms, "month", asked.zone))


def days_of(asked: Asked, reach: Reach) -> ReadDays:
    """Which days of t0 a piece of time can come from. As long as no day is counted anew, what was read of the counts holds."""

    def read(from_ms: int, to_ms: int) -> Days:
        def rows() -> Rows:
            return tuple((start_day, t0_day, count) for start_day, t0_day, count in asked.reader.rows(days_statement(asked.scope, from_ms, to_ms)))

        return Days(asked.shell.days.get((asked.scope, day_of(from_ms), day_of(to_ms), reach.counted_days), rows), reach.uncounted_until(to_ms))

    return read


def filter_of(asked: ConversationFilters, types: Sequence[str] = ()) -> SessionFilter:
    """In order and once each, so that equal questions are equal."""
    lists = (types, asked.channel, asked.conversation_id, asked.kore_user_id, asked.channel_user_id)
    return SessionFilter(*(tuple(sorted(set(texts))) for texts in lists))


def wants_csv(request: Request, asked: Format | None) -> bool:
    """`format` decides; without it the first of the two types that the Accept header names."""
    if asked:
        return asked == "csv"
    names = [part.split(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return next((name == "text/csv" for name in names if name in ("text/csv", "application/json", "*/*", "application/*")), False)


def json_answer(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def csv_answer(titles: Sequence[str], rows: Iterable[Sequence[object]], file_name: str) -> Response:
    """A small table. No text of a cell is run by a spreadsheet (OWASP: CSV injection)."""
    out = io.StringIO()
    # Line ends of RFC 4180: with others the writer leaves a text with a carriage return unquoted, and its rest would be a line of its own.
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(titles)
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return Response(out.getvalue(), media_type=CSV_TYPE, headers=attachment(file_name))


def safe_cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def attachment(file_name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{file_name}"'}


def file_name(what: str, period: Period) -> str:
    """Of our own words only: the header must not carry what somebody sent."""
    first, end = (period.local(instant_ms)[:10] for instant_ms in (period.from_ms, period.to_ms))
    return f"{what}_{first}_{end}_{period.zone.key.replace('/', '-')}.csv"

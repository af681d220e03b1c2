"""Send a list as one CSV file with a manifest beside it (services/query/exports.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final
from uuid import uuid4

from fastapi import Response
from fastapi.responses import StreamingResponse

from services.accounts.keys import Principal
from services.query.exports import CsvMeter, finished, stream
from services.query.freshness import Reach
from services.query.periods import Period
from services.query.problems import Problem
from services.query.routes.common import CSV_ANSWER, CSV_TYPE, Asked, attachment, file_name
from services.query.statement import Statement
from services.query.trends import Json, range_echo

EXPORT_HEADERS: Final[dict[str, Any]] = {
    "X-Export-Id": {"description": "Its manifest is at /v1/usage/exports/{this}.", "schema": {"type": "string"}},
    "X-Expected-Rows": {"description": "For progress: about how many rows will come.", "schema": {"type": "integer"}},
}
FILE_ANSWER: Final[dict[int | str, dict[str, Any]]] = {200: {**CSV_ANSWER[200], "headers": EXPORT_HEADERS}}


@dataclass(frozen=True, slots=True)
class File:
    """`what` is the beginning of its name; the answers to `statements` in a row are its bytes."""

    what: str
    period: Period
    filters: Mapping[str, Sequence[str]]
    rows_expected: int
    statements: Iterable[Statement]


def may_export(principal: Principal) -> None:
    """A file of a whole range needs more than the right to read pages. Raises Problem."""
    if not principal.may("export"):
        raise Problem(403, "not_allowed", "This API key does not have the scope export.")


def sent(asked: Asked, reach: Reach, principal: Principal, file: File) -> Response:
    accounts, draft = asked.shell.accounts, _manifest(asked, reach, file)
    accounts.begin_export(principal, draft, _instant(asked.now_ms))
    meter = CsvMeter()

    def ended(state: str) -> None:
        accounts.end_export(draft["export_id"], finished(draft, meter, state), _instant(asked.shell.clock_ms()))

    chunks = stream(asked.reader, file.statements, meter, ended)
    headers = {"X-Export-Id": draft["export_id"], "X-Expected-Rows": str(file.rows_expected)}
    headers["Link"] = f'</v1/usage/exports/{draft["export_id"]}>; rel="describedby"'
    return StreamingResponse(_begun(chunks), media_type=CSV_TYPE, headers=headers | attachment(draft["file_name"]))


def _manifest(asked: Asked, reach: Reach, file: File) -> Json:
    """`answers.Manifest` of a file that begins."""
    period = file.period
    return {
        "export_id": uuid4().hex,
        "state": "running",
        "file_name": file_name(file.what, period),
        "workspace_id": asked.scope.workspace_id,
        "app_ids": list(asked.scope.app_ids),
        "filters": {name: list(values) for name, values in file.filters.items() if values},
        "range": range_echo(period),
        "as_of": period.local_or_none(reach.as_of_ms),
        "rows_expected": file.rows_expected,
        "rows": None,
        "bytes": None,
        "sha256": None,
        "created_at": period.local(asked.now_ms),
    }


def _instant(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC)


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks; the first is here already, so that a statement that fails at once is a problem and not half a file."""
    return chain([next(chunks, b"")], chunks)

"""Answers about ranges that are over carry an ETag; who has the answer already gets 304 and no work is done (services/query/tags.py).

Rule: the key is admitted before any tag is looked at. What counts may be kept by the client's own cache, and is asked about each time; what names users or
agents carries a tag for programs that keep it themselves, and no cache stores it. Answers about open ranges are never kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from fastapi import Request, Response

from services.query.freshness import Reach
from services.query.routes.common import Asked, wants_csv
from services.query.tags import Source, closed_tag, is_known

KEPT: Final = "private, no-cache"
NOT_KEPT: Final = "no-store"
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "`If-None-Match` names the ETag of this answer: the range is over, and nothing has changed since."}
}


def answered(
    request: Request,
    asked: Asked,
    reach: Reach,
    span: tuple[int, int],
    sources: Collection[Source],
    answer: Callable[[], Response],
    *,
    keeps: str = NOT_KEPT,
) -> Response:
    """The answer about `span`, or 304. `sources`: all that it rests on."""
    form = "csv" if wants_csv(request, None) else "json"
    question = [request.url.path, sorted(request.query_params.multi_items()), form]
    tag = closed_tag(asked.reader, reach, asked.scope, span, question, sources)
    if tag is None:
        return answer()
    headers = {"ETag": tag, "Cache-Control": keeps, "Vary": "Accept, Authorization, X-API-Key"}
    if is_known(tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    response = answer()
    response.headers.update(headers)
    return response

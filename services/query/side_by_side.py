"""Ask ClickHouse several things at one time: most of what a small question costs is its analysis, which is the work of one core."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services.query.statement import Reader, Row, Statement


def rows_of_each(reader: Reader, statements: Sequence[Statement]) -> list[list[Row]]:
    """The rows of each statement, in their order. Raises what one of them raises, when all are over."""
    if len(statements) < 2:
        return [reader.rows(statement) for statement in statements]
    first, *others = statements
    with ThreadPoolExecutor(len(others), "side-by-side") as threads:
        coming = [threads.submit(reader.rows, statement) for statement in others]
        return [reader.rows(first), *(each.result() for each in coming)]

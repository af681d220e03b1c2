"""What every statement to ClickHouse has in common: a fixed text, values bound by the server, the scope and the edges; and the port that runs it. Pure.

Rule: a text is put together from constants of this room only; whatever a caller sent travels as a `{name:Type}` parameter. Instants travel as
milliseconds. Many edges travel as runs of equal steps: 10,000 hours of a year with its clock changes are five numbers, not 140 kB of URL.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, Final, Protocol

FROM: Final = "fromUnixTimestamp64Milli({from:Int64}, 'UTC')"
TO: Final = "fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
_STEPS: Final = "arrayMap((step, n) -> arrayWithConstant(n, step), {steps:Array(Int64)}, {counts:Array(UInt32)})"
EDGES_PLAIN_MAX: Final = 1_000
"""More travel as runs, which ClickHouse puts together again at every place that names them: of six months of days, 20 ms of a question about agents."""

FACT_SETTINGS: Final[Mapping[str, int]] = {
    "do_not_merge_across_partitions_select_final": 1,
    "use_skip_indexes_if_final": 1,
    # Without it the newest revision of a fact can be skipped and an old one counted (DESIGN §3).
    "use_skip_indexes_if_final_exact_mode": 1,
}
READ_SETTINGS: Final[Mapping[str, int]] = {
    **FACT_SETTINGS,
    # `%f` prints milliseconds, and the other half of a second, for what they are.
    "formatdatetime_f_prints_scale_number_of_digits": 1,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose numbers: a workspace, which comes from the key and nowhere else, and the apps; none: all of the workspace together."""

    workspace_id: str
    app_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    text: str
    parameters: Mapping[str, object]
    settings: Mapping[str, int] = field(default_factory=dict)
    """Beside READ_SETTINGS; the text may not change any, for it is read-only."""


Row = tuple[Any, ...]


class Reader(Protocol):
    """Where statements run."""

    def rows(self, statement: Statement) -> list[Row]:
        """All rows. Raises Unavailable or TooExpensive."""

    def stream(self, statement: Statement) -> Generator[bytes, None, None]:
        """The bytes of a statement that names its FORMAT, which begins with the first of them. Raises like `rows`, and at any later moment when the stream
        breaks. To close it ends the statement."""


WORKSPACE: Final = "workspace_id = {workspace:String}"


def scope_sql(scope: Scope, column: str = "app_id") -> str:
    return WORKSPACE + (f" AND {column} IN {{apps:Array(String)}}" if scope.app_ids else "")


def logins_sql(scope: Scope) -> str:
    """`scope_sql` of logins: one serves several apps."""
    return WORKSPACE + (" AND hasAny(app_ids, {apps:Array(String)})" if scope.app_ids else "")


def served_sql(scope: Scope) -> str:
    """The apps of the scope that a login serves."""
    return "arrayFilter(app -> has({apps:Array(String)}, app), app_ids)" if scope.app_ids else "app_ids"


def scope_parameters(scope: Scope) -> dict[str, object]:
    return {"workspace": scope.workspace_id} | ({"apps": list(scope.app_ids)} if scope.app_ids else {})


def edges_sql(edges_ms: Sequence[int]) -> str:
    """Defines `edges`, in milliseconds; `roundDown(x, edges)` is the start of the bucket that holds x (T5)."""
    if len(edges_ms) <= EDGES_PLAIN_MAX:
        return "{edges:Array(Int64)} AS edges"
    return f"arrayCumSum(arrayConcat([{{from:Int64}}], arrayFlatten({_STEPS}))) AS edges"


def edge_parameters(edges_ms: Sequence[int]) -> dict[str, object]:
    """`{from}`, `{to}`, and what `edges_sql` asks for."""
    ends: dict[str, object] = {"from": edges_ms[0], "to": edges_ms[-1]}
    if len(edges_ms) <= EDGES_PLAIN_MAX:
        return ends | {"edges": list(edges_ms)}
    runs = [(step_ms, len(list(same))) for step_ms, same in groupby(after - before for before, after in pairwise(edges_ms))]
    return ends | {"steps": [step_ms for step_ms, _ in runs], "counts": [count for _, count in runs]}

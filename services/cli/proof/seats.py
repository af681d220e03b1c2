"""Every seat peak against ClickHouse's own count: `maxIntersections` over the logins that ClickHouse holds (S1-S3).

It shares nothing with our sweep but the logins. Several logins of one agent are merged first, for an agent counts once (S2); each presence is cut at the
quarters. Presences are half-open: of two that meet at one instant, the first is gone, as in `maxIntersections`, where ends sort before beginnings.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.cli.proof.facts import Scope
from services.cli.proof.findings import Finding, Kind
from services.events.times import format_ms
from services.meters.rules import HOUR_MS, QUARTER_MS
from services.runtime.errors import Unavailable

SPAN_MS: Final = 31 * 24 * HOUR_MS
"""Quarters looked at in one statement: its memory grows with the presences of so long a time."""
SHOWN_MAX: Final = 10_000
LOGIN_MS_MAX: Final = 24 * HOUR_MS
"""S1: no login lasts longer."""

_FIRST_LAST: Final = """
SELECT count(), toUnixTimestamp64Milli(min(start)), toUnixTimestamp64Milli(max(start)) FROM agent_logins FINAL WHERE status = 'closed' AND <scope> FORMAT TSV
"""
_COUNT: Final = "SELECT count() FROM seat_peaks FINAL WHERE status = 'closed' AND <peaks> FORMAT TSV"
_COMPARE: Final = """
WITH {quarter_ms:Int64} AS quarter_long, logins AS (
    SELECT workspace_id, arrayJoin(arrayConcat([''], app_ids)) AS app_id, agent_id,
        toUnixTimestamp64Milli(start) AS begins, ifNull(toUnixTimestamp64Milli(end), begins + {login_ms:Int64}) AS ends
    FROM agent_logins FINAL
    WHERE status = 'closed' AND <scope> AND begins < {to_ms:Int64} AND begins >= {from_ms:Int64} - {login_ms:Int64} AND ends > begins
), marked AS (
    SELECT *, begins > max(ends) OVER (PARTITION BY workspace_id, app_id, agent_id ORDER BY begins, ends
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS opens
    FROM logins
), numbered AS (
    SELECT *, sum(opens) OVER (PARTITION BY workspace_id, app_id, agent_id ORDER BY begins, ends
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS presence
    FROM marked
), presences AS (
    SELECT workspace_id, app_id, agent_id, min(begins) AS begin, max(ends) AS until
    FROM numbered GROUP BY workspace_id, app_id, agent_id, presence
), cut AS (
    SELECT workspace_id, app_id, agent_id, begin, until, arrayJoin(range(
        toUInt64(intDiv(greatest(begin, {from_ms:Int64}), quarter_long)),
        toUInt64(intDiv(least(until, {to_ms:Int64}) + quarter_long - 1, quarter_long))
    )) * quarter_long AS quarter_ms
    FROM presences WHERE until > {from_ms:Int64}
), pieces AS (
    SELECT workspace_id, app_id, agent_id, quarter_ms, greatest(begin, quarter_ms) AS piece_begin, least(until, quarter_ms + quarter_long) AS piece_end FROM cut
), counted AS (
    SELECT workspace_id, app_id, quarter_ms, maxIntersections(piece_begin, piece_end) AS peak,
        maxIntersectionsPosition(piece_begin, piece_end) AS peak_at_ms, uniqExact(agent_id) AS agents
    FROM pieces GROUP BY workspace_id, app_id, quarter_ms
), published AS (
    SELECT workspace_id, app_id, toUnixTimestamp64Milli(quarter) AS quarter_ms, peak, toUnixTimestamp64Milli(peak_at) AS peak_at_ms, agents
    FROM seat_peaks FINAL WHERE status = 'closed' AND <peaks>
), both AS (
    SELECT workspace_id, app_id, toInt64(quarter_ms) AS at_ms, [toInt64(peak), toInt64(peak_at_ms), toInt64(agents)] AS ours, ours * 0 AS theirs FROM counted
    UNION ALL
    SELECT workspace_id, app_id, toInt64(quarter_ms), theirs * 0, [toInt64(peak), toInt64(peak_at_ms), toInt64(agents)] AS theirs FROM published
)
SELECT workspace_id, app_id, at_ms, sumForEach(ours) AS count, sumForEach(theirs) AS fact
FROM both GROUP BY workspace_id, app_id, at_ms HAVING count != fact
ORDER BY workspace_id, app_id, at_ms LIMIT {shown:UInt64} FORMAT JSONCompactEachRow
"""
_PEAKS_OF: Final = "toUnixTimestamp64Milli(quarter) >= {from_ms:Int64} AND toUnixTimestamp64Milli(quarter) < {to_ms:Int64} AND <scope>"
_SETTINGS: Final = {"use_skip_indexes_if_final": 0, "output_format_json_quote_64bit_integers": 0}


class Peak(NamedTuple):
    """One quarter of one scope."""

    workspace_id: str
    app_id: str
    quarter_ms: int


class Counted(NamedTuple):
    """Peak, its instant, distinct agents; all 0: there is no fact."""

    peak: int
    peak_at_ms: int
    agents: int


class Seats:
    """Compares span by span, up to a watermark."""

    def __init__(self, client: Client, scope: Scope, watermark_ms: int) -> None:
        self._client = client
        self._condition, self._bound = ("workspace_id = {workspace:String}", {"workspace": scope.workspace}) if scope.workspace is not None else ("1", {})
        self._from_ms = 0 if scope.from_ms is None else -(-scope.from_ms // QUARTER_MS) * QUARTER_MS
        passed_ms = (watermark_ms - 1) // QUARTER_MS * QUARTER_MS
        self._to_ms = passed_ms if scope.to_ms is None else min(passed_ms, -(-scope.to_ms // QUARTER_MS) * QUARTER_MS)

    def spans(self) -> list[tuple[int, int]]:
        """[from, to) of the statements that together look at every quarter with a login."""
        count, first_ms, last_ms = map(int, self._ask(_FIRST_LAST, {}).split())
        if not count:
            first_ms, last_ms = self._from_ms, self._from_ms
        from_ms = max(self._from_ms, first_ms // QUARTER_MS * QUARTER_MS)
        to_ms = min(self._to_ms, (last_ms + LOGIN_MS_MAX) // QUARTER_MS * QUARTER_MS + QUARTER_MS)
        return [(at_ms, min(at_ms + SPAN_MS, to_ms)) for at_ms in range(from_ms, to_ms, SPAN_MS)]

    def unlike(self, span: tuple[int, int]) -> dict[Peak, tuple[Counted, Counted]]:
        """Quarters whose fact is not what ClickHouse counts: (counted, published)."""
        bound = {"from_ms": span[0], "to_ms": span[1], "login_ms": LOGIN_MS_MAX, "quarter_ms": QUARTER_MS, "shown": SHOWN_MAX}
        rows = map(msgspec.json.decode, self._ask(_COMPARE, bound).splitlines())
        return {Peak(*row[:3]): (Counted(*row[3]), Counted(*row[4])) for row in rows}

    def count(self, span: tuple[int, int]) -> int:
        """Published peaks of a span."""
        return int(self._ask(_COUNT, {"from_ms": span[0], "to_ms": span[1]}))

    def _ask(self, statement: str, bound: dict[str, Any]) -> bytes:
        text = statement.replace("<peaks>", _PEAKS_OF).replace("<scope>", self._condition)
        try:
            return bytes(self._client.raw_query(text, parameters=bound | self._bound, settings=_SETTINGS))
        except ClickHouseError as error:
            raise Unavailable(f"ClickHouse could not count the seats: {str(error).splitlines()[0][:300]}") from error


def finding(peak: Peak, counted: Counted, published: Counted) -> Finding:
    """The difference of one quarter."""
    name = f"{peak.workspace_id}/{peak.app_id or '(the whole workspace)'}/{format_ms(peak.quarter_ms)}"
    return Finding(Kind.SEATS, "seat_peaks", name, "maxIntersections over agent_logins", _body(counted), _body(published))


def _body(counted: Counted) -> dict[str, Any]:
    return {"peak": counted.peak, "peak_at": format_ms(counted.peak_at_ms) if counted.peak else None, "agents": counted.agents}

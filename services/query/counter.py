"""Count the days whose facts have changed into `usage_counts` (sql/clickhouse/0003_counts.sql), beside the service, so that trends are quick.

Rule: nothing depends on it but speed. Order of effects: the count of a day begins at an instant of ClickHouse's clock; its rows are written; only then
does `usage_days` say that the day was counted at that instant. A crash in between leaves the day uncounted. Two counters write the same counts.
A day is counted when it has rested for `SETTLE_S` since its last insert, and once more an hour after it: an insert that became visible late is found.
Limit: a day of a workspace into which facts flow is not counted while they do; readers count its facts themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from threading import Event, Thread
from typing import Final, Self

import structlog
from clickhouse_connect.driver.client import Client

from services.query.statement import FACT_SETTINGS
from services.runtime import clickhouse
from services.runtime.settings import Settings

SETTLE_S: Final = 120
"""Longer than any insert of ours: its rows are stamped when it begins and seen when it ends."""
SURE_AFTER_S: Final = 3_600
LOOK_EVERY_S: Final = 15.0
DAYS_AT_ONCE: Final = 31

_log = structlog.get_logger(__name__)

DUE: Final = f"""SELECT workspace_id, toString(day)
FROM (SELECT workspace_id, day, max(touched_at) AS touched, max(counted_at) AS counted FROM usage_days GROUP BY workspace_id, day)
WHERE now64(6, 'UTC') > touched + INTERVAL {SETTLE_S} SECOND AND (
    counted < touched + INTERVAL {SETTLE_S} SECOND
    OR (now64(6, 'UTC') > touched + INTERVAL {SURE_AFTER_S} SECOND AND counted < touched + INTERVAL {SURE_AFTER_S} SECOND)
)
ORDER BY workspace_id, day DESC
LIMIT 10000"""

_QUARTER: Final = "intDiv(toUnixTimestamp(start), 900) % 96"
COUNT: Final = f"""INSERT INTO usage_counts (workspace_id, cut, start_day, app_id, kind, channel, t0_day, counted_at, counts)
SELECT {{workspace:String}}, cut, start_day, app_id, kind, channel, t0_day, {{began:DateTime64(6, 'UTC')}}, sumForEach(vector)
FROM (
    SELECT
        multiIf(grouping(app_id) = 0 AND grouping(channel) = 0, 'app+channel', grouping(app_id) = 0, 'app', grouping(channel) = 0, 'channel', 'all') AS cut,
        start_day, app_id, kind, channel, t0_day, sumForEach(vector) AS vector
    FROM (
        SELECT app_id, CAST(type, 'String') AS kind, CAST(channel, 'String') AS channel, toDate(start) AS start_day, toDate(conversation_start) AS t0_day,
            arrayMap(n -> toUInt32(n), countResample(0, 96, 1)({_QUARTER})) AS vector
        FROM billing_sessions FINAL
        WHERE workspace_id = {{workspace:String}} AND status = 'closed' AND t0_day IN {{days:Array(Date)}}
        GROUP BY app_id, kind, channel, start_day, t0_day
        UNION ALL
        SELECT app_id, 'conversations' AS kind, CAST(channel, 'String') AS channel, toDate(start) AS start_day, toDate(start) AS t0_day,
            arrayMap(n -> toUInt32(n), countResample(0, 96, 1)({_QUARTER})) AS vector
        FROM conversations FINAL
        WHERE workspace_id = {{workspace:String}} AND status = 'closed' AND t0_day IN {{days:Array(Date)}}
        GROUP BY app_id, channel, start_day
    )
    GROUP BY GROUPING SETS (
        (start_day, kind, t0_day, app_id, channel), (start_day, kind, t0_day, app_id), (start_day, kind, t0_day, channel), (start_day, kind, t0_day)
    )
    UNION ALL
    SELECT cut, start_day, app_id, kind, channel, t0_day, CAST([], 'Array(UInt64)') AS vector
    FROM usage_counts
    WHERE workspace_id = {{workspace:String}} AND t0_day IN {{days:Array(Date)}}
)
GROUP BY cut, start_day, app_id, kind, channel, t0_day"""
"""What was counted before and is no more gets an empty vector."""

COUNTED: Final = """INSERT INTO usage_days (workspace_id, day, touched_at, counted_at)
SELECT {workspace:String}, arrayJoin({days:Array(Date)}), toDateTime64(0, 6, 'UTC'), {began:DateTime64(6, 'UTC')}"""


class Counter:
    """Counts on a thread of its own while the `with` block runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = Event()
        self._thread = Thread(target=self._run, name="counter", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self._look()
            except Exception as error:  # numbers are right without it: say so, and try again
                _log.warning("could not count", error=type(error).__name__, detail=str(error)[:500])

    def _look(self) -> None:
        client = clickhouse.connect(self._settings.clickhouse)
        try:
            for workspace_id, days in count_due(client):
                _log.info("counted", workspace=workspace_id, days=days)
                if self._stop.is_set():
                    return
        finally:
            client.close()


def count_due(client: Client) -> Iterator[tuple[str, int]]:
    """Count every day that is due; after each piece its (workspace, number of days)."""
    due = client.query(DUE).result_rows
    for workspace_id, rows in groupby(due, key=lambda row: str(row[0])):
        days = [str(day) for _, day in rows]
        for first in range(0, len(days), DAYS_AT_ONCE):
            piece = days[first : first + DAYS_AT_ONCE]
            count_days(client, workspace_id, piece)
            yield workspace_id, len(piece)


def count_days(client: Client, workspace_id: str, days: Sequence[str]) -> None:
    """The order of effects is that of the head."""
    [[began]] = client.query("SELECT toString(now64(6, 'UTC'))").result_rows
    parameters = {"workspace": workspace_id, "days": list(days), "began": began}
    client.command(COUNT, parameters, settings=dict(FACT_SETTINGS))
    client.command(COUNTED, parameters)

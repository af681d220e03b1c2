"""Sessions and their conversations, made by ClickHouse itself: over the last 180 days, with the shape of real ones. For measurements of the query service.

One workspace has agents too: AGENTS of them, each at work in one app for eight hours of every day, with the peaks of every quarter and their assignments.
Every second conversation has one session less than the next: one, two, three, together two on average; a tenth are calls, which have no conversation.
"""

from __future__ import annotations

import time
from typing import Final

from clickhouse_connect.driver.client import Client

from services.runtime.clickhouse import connect
from services.runtime.settings import Settings
from tests.bench.core import Show

SESSIONS_EACH: Final = 2
WORKSPACE_WITH_AGENTS: Final = "workspace-00005"
AGENTS: Final = 200
_STEP: Final = 500_000
_MADE: Final = """WITH number + {first:UInt64} AS n, intDiv(cityHash64(n, 1), 7) AS h, 1 + n % 3 AS sessions_, h % 10 = 0 AS is_call,
    fromUnixTimestamp64Milli({now:Int64}, 'UTC') - toIntervalMillisecond(h % 15552000000) AS t0, 281474976710656 + n AS revision_,
    concat('workspace-', leftPad(toString(n % {workspaces:UInt64}), 5, '0')) AS workspace, concat('app-', toString(h % 20)) AS app,
    ['web', 'whatsapp', 'ios', 'android', 'msteams'][1 + h % 5] AS medium, leftPad(toString(h % 1000003), 14, '0') AS who, lower(hex(cityHash64(n, 2))) AS talk
"""
_SESSIONS: Final = f"""INSERT INTO billing_sessions
{_MADE}, arrayJoin(range(sessions_)) AS k
SELECT lower(hex(sipHash128(n, k))), revision_, 'closed', workspace, app, if(is_call, 'voice', 'usage'), medium, concat('u-', who), concat('c-', who), talk,
    t0, t0 + toIntervalMinute(15 * k), t0 + toIntervalMinute(15 * k + 9), 540000, 0,
    if(is_call, '', lower(hex(cityHash64(n, k)))), if(is_call, if(k + 1 = sessions_, 'V1:ended', 'V1:full'), if(k + 1 = sessions_, 'U7:ended', 'U7:full'))
FROM numbers({{count:UInt64}})
SETTINGS max_partitions_per_insert_block = 0, max_execution_time = 600"""
_CONVERSATIONS: Final = f"""INSERT INTO conversations
{_MADE}
SELECT lower(hex(sipHash128(n))), revision_, 'closed', workspace, app, medium, concat('u-', who), concat('c-', who), talk,
    t0, t0 + toIntervalMinute(15 * sessions_ - 6), 'user', sessions_, 0
FROM numbers({{count:UInt64}})
WHERE NOT is_call
SETTINGS max_partitions_per_insert_block = 0, max_execution_time = 600"""

_AT: Final = "fromUnixTimestamp64Milli({now:Int64}, 'UTC')"
_LOGINS: Final = f"""INSERT INTO agent_logins
WITH intDiv(number, 180) AS agent, number % 180 AS day, toStartOfDay({_AT}) - toIntervalDay(day) + toIntervalHour(agent % 16) AS began
SELECT lower(hex(sipHash128(number))), 281474976710656 + number, 'closed', {{workspace:String}}, concat('login-', toString(number)),
    concat('agent-', toString(agent)), [concat('app-', toString(agent % 20))], began, began + toIntervalHour(8)
FROM numbers({{agents:UInt64}} * 180)
SETTINGS max_partitions_per_insert_block = 0"""
_ASSIGNMENTS: Final = f"""INSERT INTO agent_assignments
SELECT lower(hex(sipHash128(number))), 281474976710656 + number, 'closed', {{workspace:String}}, concat('app-', toString(number % 20)),
    concat('agent-', toString(number)), {_AT} - toIntervalDay(181), NULL
FROM numbers({{agents:UInt64}})"""
_PEAKS: Final = f"""INSERT INTO seat_peaks
WITH intDiv(number, 21) AS quarter_, number % 21 AS scope, toStartOfDay({_AT}) - toIntervalMinute(15 * quarter_) AS began
SELECT lower(hex(sipHash128(number))), 281474976710656 + number, 'closed', {{workspace:String}}, if(scope = 20, '', concat('app-', toString(scope))),
    began, if(scope = 20, 20, 1) * (1 + quarter_ % 7), began, if(scope = 20, 20, 1) * (1 + quarter_ % 7)
FROM numbers(21 * 180 * 96)
SETTINGS max_partitions_per_insert_block = 0"""


def fill(settings: Settings, sessions: int, workspaces: int, now_ms: int, show: Show) -> float:
    """About so many sessions. Gives the seconds that it took."""
    client = connect(settings.clickhouse, answer_s=600)
    began_s = time.perf_counter()
    for first in range(0, sessions // SESSIONS_EACH, _STEP):
        count = min(_STEP, sessions // SESSIONS_EACH - first)
        for statement in (_SESSIONS, _CONVERSATIONS):
            client.command(statement, parameters={"first": first, "count": count, "workspaces": workspaces, "now": now_ms})
        show(first * SESSIONS_EACH)
    took_s = time.perf_counter() - began_s
    for statement in (_LOGINS, _ASSIGNMENTS, _PEAKS):
        client.command(statement, parameters={"now": now_ms, "workspace": WORKSPACE_WITH_AGENTS, "agents": AGENTS})
    _metered(client, now_ms)
    client.close()
    return took_s


def _metered(client: Client, now_ms: int) -> None:
    """A line of the ledger: everything up to now is metered."""
    client.command(
        """INSERT INTO ledger (ledger_id, revision, status, stage, source_topic, watermark)
        SELECT 'processor/bench/0/0', 281474976710656 + {now:UInt64}, 'closed', 'processor', 'bench', fromUnixTimestamp64Milli({now:Int64}, 'UTC')""",
        parameters={"now": now_ms},
    )

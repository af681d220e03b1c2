"""The query service on a full stack: trends, pages of sessions and the CSV of one workspace, among the sessions of many.

Rule: sessions are made by ClickHouse itself, over the last 180 days, with the shape of real ones; one workspace of `workspaces` is asked for.
Limit: times are those of a client on the same machine, one request at a time.
"""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from services.local.find import stack_settings
from services.runtime.clickhouse import connect
from services.runtime.settings import Settings, child_environment
from tests.bench.core import Show

WORKSPACE: Final = "workspace-00007"
_STEP: Final = 1_000_000
_FILL: Final = """
INSERT INTO billing_sessions
WITH number + {first:UInt64} AS n, intDiv(cityHash64(n, 1), 7) AS h, now64(3) - toIntervalSecond(h % 15552000) AS t0
SELECT lower(hex(sipHash128(n))), 281474976710656 + n, 'closed', concat('workspace-', leftPad(toString(n % {workspaces:UInt64}), 5, '0')),
       concat('app-', toString(h % 3)), if(h % 10 = 0, 'voice', 'usage'), ['web', 'whatsapp', 'ios', 'android', 'msteams'][1 + h % 5],
       concat('u-', leftPad(toString(h % 1000003), 14, '0')), concat('c-', leftPad(toString(h % 1000003), 14, '0')), lower(hex(cityHash64(n, 2))),
       t0, t0 + toIntervalMinute(15 * (h % 3)), t0 + toIntervalMinute(15 * (h % 3) + 9), 540000, 0, lower(hex(cityHash64(n, 3))), 'U7:ended'
FROM numbers({count:UInt64})
SETTINGS max_partitions_per_insert_block = 0, max_execution_time = 600
"""


def run_questions(home: Path, port_base: int, sessions: int, workspaces: int, asked: int, show: Show = lambda done: None) -> dict[str, Any]:
    """On a stack of its own, which is stopped at the end."""
    quarterhour("up", "--detach", "--data-dir", str(home), "--port-base", str(port_base))
    try:
        settings = stack_settings(home)
        fill_s = fill(settings, sessions, workspaces, show)
        return {"sessions": sessions, "workspaces": workspaces, "fill_rows_per_s": round(sessions / fill_s)} | ask_all(settings, asked)
    finally:
        quarterhour("down", "--data-dir", str(home))


def fill(settings: Settings, sessions: int, workspaces: int, show: Show) -> float:
    client = connect(settings.clickhouse)
    began_s = time.perf_counter()
    for first in range(0, sessions, _STEP):
        client.command(_FILL, parameters={"first": first, "count": min(_STEP, sessions - first), "workspaces": workspaces})
        show(first)
    client.close()
    return time.perf_counter() - began_s


def ask_all(settings: Settings, asked: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "services.cli", "keys", "create", "--workspace", WORKSPACE]
    key = subprocess.run(command, check=True, capture_output=True, text=True, env=child_environment(settings)).stdout.strip()
    connection = http.client.HTTPConnection(settings.query.host, settings.query.port, timeout=120)

    def get(path: str) -> bytes:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return body

    found: dict[str, Any] = {}
    for name, path in (("trends", "/v1/usage/trends?range=6m&interval=day&group_by=app"), ("page", "/v1/usage/sessions?range=6m&limit=100")):
        get(path)
        times_ms = sorted(_ms(lambda path=path: get(path)) for _ in range(asked))  # type: ignore[misc]
        found |= {f"{name}_p50_ms": round(statistics.median(times_ms), 1), f"{name}_p99_ms": round(times_ms[max(0, int(asked * 0.99) - 1)], 1)}
    began_s = time.perf_counter()
    rows = get("/v1/usage/sessions.csv?range=6m").count(b"\n") - 1
    return found | {"csv_rows": rows, "csv_rows_per_s": round(rows / (time.perf_counter() - began_s))}


def quarterhour(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "services.cli", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr[-2_000:]}")


def _ms(act: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    act()
    return (time.perf_counter() - began_s) * 1000

"""The query service on a full stack: trends, pages of sessions, the CSV and the usage page of one workspace, among the sessions of many.

Rule: sessions and conversations are made by ClickHouse itself (tests/bench/filling.py); one workspace is asked for, once its days are counted, as they are two
minutes after the last insert. Some questions are also asked of workspaces of which nothing is kept (`first`: services/query/kept.py). Processor time is that
of the query service and of ClickHouse: it says more where the machine is shared.
Limit: times are those of a client on the same machine, one request at a time.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from services.local.find import stack_settings
from services.query.counter import DUE, SETTLE_S, count_due
from services.runtime.clickhouse import connect
from services.runtime.settings import Settings, child_environment
from tests.bench.core import Show
from tests.bench.filling import WORKSPACE_WITH_AGENTS, fill

WORKSPACE: Final = "workspace-00007"
QUESTIONS: Final = {
    "trends": "/v1/usage/trends?range=6m&interval=day&group_by=app",
    "trends_together": "/v1/usage/trends?range=6m&interval=day",
    "trends_with_agents": "/v1/usage/trends?range=6m&interval=day",
    "page": "/v1/usage/sessions?range=6m&limit=100",
    "last_page": "/v1/usage/sessions?range=6m&limit=100&order=desc",
}
FIRST_ASKED: Final = 20
"""Workspaces at most."""
CSV: Final = "/v1/usage/sessions.csv?range=6m&timezone=Asia/Kolkata"
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def run_questions(home: Path, port_base: int, sessions: int, workspaces: int, asked: int, show: Show = lambda done: None) -> dict[str, Any]:
    """On a stack of its own, which is stopped at the end."""
    quarterhour("up", "--detach", "--data-dir", str(home), "--port-base", str(port_base))
    try:
        settings = stack_settings(home)
        fill_s = fill(settings, sessions, workspaces, round(time.time() * 1000), show)
        _count(settings)
        return {"sessions": sessions, "workspaces": workspaces, "fill_rows_per_s": round(sessions / fill_s)} | ask_all(settings, home, workspaces, asked)
    finally:
        quarterhour("down", "--data-dir", str(home))


def _count(settings: Settings) -> None:
    """As the service does beside its work."""
    client = connect(settings.clickhouse, answer_s=3_600)
    time.sleep(SETTLE_S + 5)
    while client.query(DUE).result_rows:
        for _ in count_due(client):
            pass
    # As ClickHouse does by itself once a month has rested for two hours (sql/clickhouse/0005_settled_months.sql).
    for table in ("billing_sessions", "conversations", "usage_counts"):
        client.command(f"OPTIMIZE TABLE {table} FINAL", settings={"optimize_skip_merged_partitions": 1})
    client.close()


def ask_all(settings: Settings, home: Path, workspaces: int, asked: int) -> dict[str, Any]:
    # A connection that rests while keys are made is closed by the service.
    key_of_sessions, key_of_agents = (_key(settings, name) for name in (WORKSPACE, WORKSPACE_WITH_AGENTS))
    others = [name for name in map("workspace-{:05}".format, range(workspaces)) if name not in (WORKSPACE, WORKSPACE_WITH_AGENTS)]
    keys_of_others = [_key(settings, name) for name in others[:FIRST_ASKED]]
    connection = http.client.HTTPConnection(settings.query.host, settings.query.port, timeout=600)
    marks = {"clickhouse": ("services.local.clickhouse", str(home)), "query": ("services.query.main", f"QUARTERHOUR_QUERY__PORT={settings.query.port}\0")}
    processes = {name: list(_processes(*both)) for name, both in marks.items()}
    if not all(processes.values()):
        raise RuntimeError(f"processes of the stack that are not found: {processes}")
    found: dict[str, Any] = {}
    for name, path in QUESTIONS.items():
        key = key_of_agents if name == "trends_with_agents" else key_of_sessions
        _get(connection, path, key)
        before_ms = _cpu_ms(processes)
        times_ms = sorted(_ms(lambda path=path, key=key: _get(connection, path, key)) for _ in range(asked))  # type: ignore[misc]
        found |= {f"{name}_p50_ms": round(statistics.median(times_ms), 1), f"{name}_p99_ms": round(times_ms[max(0, int(asked * 0.99) - 1)], 1)}
        found[f"{name}_cpu_ms"] = round((_cpu_ms(processes) - before_ms) / asked, 1)
    found |= _asked_first(connection, keys_of_others, settings.query.reach_kept_ms)
    return found | _csv(connection, key_of_sessions, processes) | _interactive(settings, key_of_sessions)


def _asked_first(connection: http.client.HTTPConnection, keys: list[str], kept_ms: int) -> dict[str, Any]:
    """Of workspaces of which nothing is kept (services/query/kept.py): it has grown old, or nobody ever asked."""
    found: dict[str, Any] = {}
    for name in ("trends", "trends_together", "page"):
        time.sleep(kept_ms / 1000)
        times_ms = [_ms(lambda key=key, path=QUESTIONS[name]: _get(connection, path, key)) for key in keys]  # type: ignore[misc]
        found |= {f"{name}_first_p50_ms": round(statistics.median(times_ms), 1), f"{name}_first_max_ms": round(max(times_ms), 1)}
    return found


def _key(settings: Settings, workspace_id: str) -> str:
    limits = ("--requests-per-minute", "1000000", "--read-s-per-minute", "100000")
    command = [sys.executable, "-m", "services.cli", "keys", "create", "--workspace", workspace_id, *limits]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=child_environment(settings)).stdout.strip()


def _csv(connection: http.client.HTTPConnection, key: str, processes: dict[str, list[int]]) -> dict[str, Any]:
    before_ms, began_s = _cpu_ms(processes), time.perf_counter()
    rows = sum(piece.count(b"\n") for piece in _pieces(connection, CSV, key)) - 1
    took_s, cpu_s = time.perf_counter() - began_s, (_cpu_ms(processes) - before_ms) / 1000
    peak = max(int(_status(pid)["VmHWM"].split()[0]) / 1024 for pid in processes["query"])
    return {"csv_rows": rows, "csv_rows_per_s": round(rows / took_s), "csv_rows_per_cpu_s": round(rows / cpu_s), "csv_query_rss_mib": round(peak)}


def _interactive(settings: Settings, key: str) -> dict[str, Any]:
    """From the click on a link to the page until its bars and its table are there, in Chromium; the second visit, with its files in the browser."""
    from tests.page.browser import chromium
    from tests.page.conftest import interactive_ms

    with chromium() as browser:
        times_ms = sorted(interactive_ms(browser, f"http://{settings.query.host}:{settings.query.port}", key) for _ in range(6))
    return {"page_interactive_p50_ms": round(statistics.median(times_ms)), "page_interactive_max_ms": round(times_ms[-1])}


def _get(connection: http.client.HTTPConnection, path: str, key: str) -> bytes:
    return b"".join(_pieces(connection, path, key))


def _pieces(connection: http.client.HTTPConnection, path: str, key: str) -> Iterator[bytes]:
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.read(500)!r}")
    while piece := answer.read(1 << 18):
        yield piece


def _processes(command: str, mark: str) -> Iterator[int]:
    """The processes with this in their command, and that in it or in their environment."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            argv, environment = place.read_bytes(), place.with_name("environ").read_bytes()
        except OSError:
            continue
        if command.encode() in argv and mark.encode() in argv + environment:
            yield int(place.parent.name)


def _cpu_ms(processes: dict[str, list[int]]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pids in processes.values() for pid in pids]
    return sum((int(each[11]) + int(each[12])) / _TICKS_PER_S * 1000 for each in fields)


def _status(pid: int) -> dict[str, str]:
    return dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)


def quarterhour(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "services.cli", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr[-2_000:]}")


def _ms(act: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    act()
    return (time.perf_counter() - began_s) * 1000

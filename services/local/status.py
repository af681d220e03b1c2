"""How the stack fares: parts, consumer lag, watermark; for people and as JSON.

Rule: it only looks. What cannot be asked is said so (`null` in JSON), never guessed.
"""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from services.events import topics
from services.events.times import format_ms
from services.local import processes
from services.local.find import stack_settings
from services.local.part import Part
from services.local.plan import PROBE_TIMEOUT_S, make_plan
from services.local.state import PartState, is_running, read_state
from services.runtime.clock import wall_ms
from services.runtime.errors import Unavailable
from services.runtime.settings import Settings

YEAR_ONE_MS: Final = -62_135_596_800_000
"""A watermark below it means: none yet."""

Report = dict[str, Any]


def gather(data_dir: Path) -> Report:
    """`{state, data_dir, endpoints, parts: [...], lag: {group: {total, partitions}} | null, watermark: text | null}`.

    `state`: `absent` (nothing ever ran here), `stopped`, `starting`, `ready`, `degraded` (a part is not ready), `stopping`, `crashed` (its supervisor is gone).
    """
    last = read_state(data_dir)
    if last is None:
        return {"state": "absent", "data_dir": str(data_dir), "endpoints": {}, "parts": [], "lag": None, "watermark": None}
    running = is_running(data_dir)
    plan = make_plan(data_dir, last.port_base, last.processors)
    probes = {part.name: part for part in plan.parts()}
    with ThreadPoolExecutor(max_workers=8) as pool:
        parts = list(pool.map(lambda part: _part(part, probes[part.name]), last.parts))
    settings = stack_settings(data_dir)
    return {
        "state": _state(last.state, running, parts),
        "data_dir": str(data_dir),
        "pid": last.pid if running else None,
        "endpoints": last.endpoints,
        "parts": parts,
        "lag": _lag(settings) if running else None,
        "watermark": _watermark(parts) if running else None,
    }


def _state(written: str, running: bool, parts: list[Report]) -> str:
    if not running:
        return "stopped" if written == "stopped" else "crashed"
    if written == "ready" and not all(part["ready"] for part in parts):
        return "degraded"
    return written


def _part(seen: PartState, part: Part) -> Report:
    alive = bool(seen.pid) and processes.is_same(seen.pid, seen.started)
    ready = alive and part.ready()
    return {
        "name": seen.name,
        "state": seen.state if alive or seen.state in ("stopped", "failed", "pausing", "waiting", "preparing") else "gone",
        "ready": ready,
        "says": part.why_not() if alive and not ready else "",
        "pid": seen.pid if alive else None,
        "uptime_s": round(wall_ms() / 1000 - seen.started) if alive else None,
        "memory_mb": round(processes.memory_bytes(seen.pid) / 1e6) if alive else None,
        "restarts": seen.restarts,
        "exit_code": seen.exit_code,
        "endpoint": seen.endpoint,
        "log": seen.log,
    }


def _lag(settings: Settings) -> Report | None:
    from services.runtime.lag import group_lags

    groups = {
        settings.ingest_group: list(topics.RAW_TOPICS),
        settings.processors_group: [topics.BATCHES],
        settings.sink.group_id: list(topics.FACT_TOPICS),
    }
    try:
        lags = group_lags(settings.kafka, groups)
    except Unavailable:
        return None
    return {
        group: {"total": sum(lag.values()), "partitions": {f"{topic}/{number}": behind for (topic, number), behind in lag.items()}}
        for group, lag in lags.items()
    }


def _watermark(parts: list[Report]) -> str | None:
    """The least watermark of all partitions that the processors tell of; None when a processor tells nothing, or a partition has none yet."""
    processors = [part for part in parts if part["name"].startswith("processor")]
    told = [_watermarks_ms(part["endpoint"]) for part in processors]
    least = min((watermark for watermarks in told for watermark in watermarks), default=None)
    if least is None or not all(told) or least < YEAR_ONE_MS:
        return None
    return format_ms(least)


def _watermarks_ms(status_url: str) -> list[int]:
    try:
        with urllib.request.urlopen(status_url, timeout=PROBE_TIMEOUT_S) as response:
            return [int(partition["watermark_ms"]) for partition in json.load(response)["partitions"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def as_text(report: Report) -> str:
    """The report for people."""
    if report["state"] == "absent":
        return f"No stack has run on {report['data_dir']} yet. Start one: quarterhour up"
    lines = [f"the stack on {report['data_dir']} is {report['state']}", ""]
    lines += _table([["part", "state", "pid", "up", "memory", "restarts", "endpoint"], *(_row(part) for part in report["parts"])])
    lines += [f"{part['name']} says {part['says']}" for part in report["parts"] if part["says"]]
    lines += ["", *_behind(report["lag"]), f"watermark: {report['watermark'] or 'not known'}"]
    if report["state"] == "crashed":
        lines.append("Its supervisor was killed. `quarterhour up` ends what is left and starts it again.")
    return "\n".join(lines)


def _row(part: Report) -> list[str]:
    state = part["state"] if part["state"] != "ready" or part["ready"] else "not ready"
    code = f" (exit code {part['exit_code']}, see {part['log']})" if part["exit_code"] not in (None, 0) and not part["pid"] else ""
    memory = f"{part['memory_mb']} MB" if part["memory_mb"] else "-"
    return [part["name"], state + code, str(part["pid"] or "-"), _duration(part["uptime_s"]), memory, str(part["restarts"]), part["endpoint"]]


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    minutes, hours = seconds // 60, seconds // 3600
    return f"{seconds} s" if minutes < 2 else f"{minutes} min" if hours < 2 else f"{hours} h"


def _behind(lag: Report | None) -> list[str]:
    if lag is None:
        return ["consumer lag: not known (Kafka does not answer)"]
    return [f"{group}: {figures['total']} records behind" for group, figures in lag.items()]


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

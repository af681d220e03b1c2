"""`quarterhour meter` on a file, and the start of the whole local stack: commands as a person types them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.core import Ending, Show
from tests.bench.measure import speed
from tests.bench.workload import Workload, lines


def run_meter(load: Workload, home: Path, show: Show = lambda done: None) -> tuple[dict[str, Any], dict[str, str]]:
    """The command over a file of the log; figures, and the facts that it printed."""
    home.mkdir(parents=True, exist_ok=True)
    events, facts = home / "events.jsonl", home / "facts.jsonl"
    with events.open("wb") as out:
        for number, line in enumerate(lines(load), 1):
            out.write(line + b"\n")
            if number % 10_000 == 0:
                show(number)
    wall_s, cpu_s, rss_mib = timed([sys.executable, "-m", "services.cli", "meter", str(events)], facts)
    found = _printed(facts)
    events.unlink()
    facts.unlink()
    return speed(load.events, wall_s, cpu_s) | {"wall_s": round(wall_s, 2), "peak_rss_mib": rss_mib}, found


def timed(argv: list[str], out: Path) -> tuple[float, float, float]:
    """(wall time, processor time, peak memory in MiB) of a command; fails with its words when it does."""
    began_s = time.perf_counter()
    with out.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{argv}: {said.decode(errors='replace')[-2_000:]}")
    return time.perf_counter() - began_s, usage.ru_utime + usage.ru_stime, round(usage.ru_maxrss / 1024, 1)


def _printed(path: Path) -> dict[str, str]:
    ending = Ending()
    with path.open("rb") as facts:
        for line in facts:
            head, _, rest = line.rstrip(b"\n").partition(b",")
            topic = head[len(b'{"topic":"') : -1].decode()
            if topic not in ("usage.rejected.v1", "usage.ledger.v1"):
                value = b"{" + rest
                ending.put(topic, value[value.index(b":") + 2 :][:32], value)
    return ending.summary()


def run_start(home: Path, port_base: int) -> dict[str, Any]:
    """From nothing to ready, and again on the data that is there. The jars of the broker are in the cache already."""
    found: dict[str, Any] = {}
    for name in ("cold_s", "again_s"):
        up = [sys.executable, "-m", "services.cli", "up", "--detach", "--data-dir", str(home), "--port-base", str(port_base)]
        wall_s, _, _ = timed(up, home.parent / "up.out")
        found[name] = round(wall_s, 2)
        timed([sys.executable, "-m", "services.cli", "down", "--data-dir", str(home)], home.parent / "down.out")
    return found

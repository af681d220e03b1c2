"""What is measured, and how: processor time of a process (user and system), peak memory, and the machine it was on.

Rule: processor time rather than the clock wherever a machine may be shared; a process that must not see another stage's memory is a fresh one.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Watch:
    """Processor and wall time of the stretches of this process that it is told to watch."""

    cpu_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def on(self) -> Iterator[None]:
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.cpu_s += time.process_time() - cpu_s
            self.wall_s += time.perf_counter() - wall_s

    def figures(self, events: int) -> dict[str, float]:
        """As the report names them."""
        return speed(events, self.wall_s, self.cpu_s)


def speed(events: int, wall_s: float, cpu_s: float) -> dict[str, float]:
    """Events a second by the clock, and processor time an event."""
    return {"events": events, "events_per_s": round(events / max(wall_s, 1e-9)), "cpu_us_per_event": round(cpu_s * 1e6 / max(events, 1), 2)}


def peak_rss_mib() -> float:
    """Of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def rss_bytes(pid: int | None = None) -> int:
    """Resident memory now."""
    pages = Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def settled_rss_bytes() -> int:
    """Resident memory once what is garbage is gone and given back."""
    import ctypes

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return rss_bytes()


def cpu_s_of(pid: int) -> float:
    """Processor time of another process until now, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_rss_mib_of(pid: int) -> float:
    """Of another process so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def in_child(function: Callable[..., T], *arguments: Any) -> T:
    """What a function gives in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def machine() -> dict[str, Any]:
    """Where a figure comes from."""
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "unknown")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024 // 1024
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": memory, "system": platform.platform(terse=True), "python": platform.python_version()}


def commit() -> str:
    """The commit of this checkout; `+` when there are changes beside it."""
    here = Path(__file__).parent
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain", "--", "../../services"], cwd=here, capture_output=True, text=True, check=False).stdout.strip()
    return name + ("+" if changed else "")

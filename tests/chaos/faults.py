"""What is done to a running stack, one function a fault. Each returns what happened and how long it took to work again.

Rule: when a fault returns, what it broke is mended and works; the judge at the end says whether anything was lost on the way.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from tests.chaos.proxy import Network, Proxy
from tests.chaos.stage import Stage, is_service

BACK_S: Final = 180.0
"""Longer than any part may take; the report shows what each took."""
DISK_LEFT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Done:
    """One fault. `back_s`: part → seconds from the end of the fault until it worked again."""

    what: str
    kills: int = 0
    back_s: dict[str, float] = field(default_factory=dict)
    lasted_s: float = 0.0


def kill(stage: Stage, *names: str) -> Done:
    """kill -9 of all of them at one time."""
    pids = {name: stage.send(name, signal.SIGKILL) for name in names}
    began_at = time.monotonic()
    back = {}
    for name, pid in pids.items():
        stage.until_works(name, BACK_S, other_than=pid)
        back[name] = time.monotonic() - began_at
    return Done(f"kill -9 {' and '.join(names)}", len(names), back)


def kill_again(stage: Stage, name: str, times: int, gap_s: float) -> Done:
    """kill -9, and again while it recovers."""
    pid = 0
    for number in range(times):
        if number:
            time.sleep(gap_s)
        pid = stage.send(name, signal.SIGKILL)
    return Done(f"kill -9 {name}, {times} times within {gap_s * (times - 1):.1f} s", times, {name: stage.until_works(name, BACK_S, other_than=pid)})


def pause(stage: Stage, name: str, seconds: float) -> Done:
    """SIGSTOP, then SIGCONT: a worker that sleeps through its session and wakes up. It may end itself then, and is started again."""
    pid = stage.send(name, signal.SIGSTOP)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return Done(f"SIGSTOP {name}", 0, _back(stage, name), seconds)


def bad_network(stage: Stage, between: str, network: Network, seconds: float) -> Done:
    """The services' way to Kafka or ClickHouse is cut, half-open or slow for a while."""
    proxy = _proxy(stage, between)
    proxy.become(network)
    time.sleep(seconds)
    proxy.become("good")
    readers = ["ingest", "sink", *stage.processors()] if between == "kafka" else ["sink"]
    return Done(f"{between}: network {network.replace('_', '-')}", 0, _back(stage, *readers), seconds)


def kill_mid_insert(stage: Stage) -> Done:
    """ClickHouse is killed while the body of an insert trickles in."""
    proxy = stage.clickhouse
    before = proxy.carried_bytes
    proxy.become("slow")
    deadline = time.monotonic() + 15
    while proxy.carried_bytes < before + 2_000 and time.monotonic() < deadline:
        time.sleep(0.02)
    done = kill(stage, "clickhouse")
    proxy.become("good")
    return Done("kill -9 clickhouse in the middle of an insert", 1, done.back_s | _back(stage, "sink"))


def scale(stage: Stage, *, killed: bool) -> Done:
    """1 → 2 → 3 → 1 workers; the third leaves by kill -9 and a stop, or both leave by a stop."""
    began_at = time.monotonic()
    first = stage.plan.processors
    for number in (first + 1, first + 2):
        stage.add_worker(number)
        stage.until_works(f"processor-{number}", BACK_S)
    kills = 0
    if killed:
        name = f"processor-{first + 2}"
        stage.until_works(name, BACK_S, other_than=stage.send(name, signal.SIGKILL))
        kills = 1
    for number in (first + 2, first + 1):
        stage.end_worker(number)
    lasted_s = time.monotonic() - began_at
    back = _back(stage, *stage.processors())
    return Done(f"{first} → {first + 1} → {first + 2} → {first} workers", kills, back, lasted_s)


def full_disk(stage: Stage, name: str, place: Path, seconds: float) -> Done:
    """No byte is left where a part (or the whole data directory) writes; then there is room again."""
    with _filled(place):
        time.sleep(seconds)
    parts = [name] if name != "data directory" else ["ingest", "sink", "query", "kafka", "clickhouse", *stage.processors()]
    return Done(f"disk full: {name}", 0, _back(stage, *parts), seconds)


def file_limit(stage: Stage, name: str, seconds: float) -> Done:
    """Where no disk can be mounted: the part's files may not grow past 64 KiB until it is started again."""
    pid = stage.pid(name)
    process = psutil.Process(pid)
    process.rlimit(psutil.RLIMIT_FSIZE, (DISK_LEFT_BYTES, resource.RLIM_INFINITY))
    time.sleep(seconds)
    with contextlib.suppress(psutil.NoSuchProcess):
        process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return Done(f"file size limit: {name}", 0, _back(stage, name), seconds)


@contextmanager
def disks(home: Path, sizes: dict[str, int]) -> Iterator[bool]:
    """A small disk (tmpfs) at each of these folders of `home`; false: this machine lets nobody mount."""
    mounted: list[Path] = []
    try:
        for name, size_mb in sizes.items():
            place = home / name
            place.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "quarterhour-chaos", str(place)], check=False, capture_output=True)
            if done.returncode:
                break
            mounted.append(place)
        yield len(mounted) == len(sizes)
    finally:
        for place in reversed(mounted):
            subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def _filled(place: Path) -> Iterator[None]:
    ballast = place / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size):
                        pass
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _back(stage: Stage, *names: str) -> dict[str, float]:
    """Seconds until each has worked since now."""
    began_at = time.monotonic()
    back = {}
    for name in names:
        if is_service(name):
            stage.until_moves(name, BACK_S)
        else:
            stage.until_works(name, BACK_S)
        back[name] = time.monotonic() - began_at
    return back


def _proxy(stage: Stage, between: str) -> Proxy:
    return stage.kafka if between == "kafka" else stage.clickhouse

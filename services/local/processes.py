"""Which process is ours: a pid alone proves nothing, since pids are used again; a pid and the instant its process began do."""

from __future__ import annotations

import contextlib
import os
import signal

import psutil  # type: ignore[import-untyped]

SAME_START_S = 1.0
"""The start is told from the boot time, which moves a little when the clock is set; no two processes of one pid begin so close to each other."""


def started_at(pid: int) -> float:
    """When the process began, seconds since 1970; 0.0: it is gone."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def is_same(pid: int, started: float) -> bool:
    """Whether the process that began then is still there (and is more than a zombie)."""
    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - started) < SAME_START_S and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end(pid: int, started: float, stop_signal: int, wait_s: float) -> None:
    """Ask this very process to stop, wait, and kill its group at last. Does nothing when it is another process by now."""
    if not is_same(pid, started):
        return
    process = psutil.Process(pid)
    process.send_signal(stop_signal)
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(wait_s)
    if is_same(pid, started):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(os.getpgid(pid), signal.SIGKILL)


def memory_bytes(pid: int) -> int:
    """Resident memory; 0: it is gone or may not be looked at."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0

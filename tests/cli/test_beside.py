"""Work in a process beside: same items, same errors, and an end that is none is not taken for one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from services.cli.beside import BesideEnded, beside

METER = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["quarterhour", "meter", "-"]
runpy.run_module("services.cli", run_name="__main__")
"""


def test_gives_the_same_items_made_by_another_process() -> None:
    items = list(beside((number, os.getpid(), b"x" * 300_000) for number in range(20)))
    assert [number for number, _, _ in items] == list(range(20))
    assert os.getpid() not in {pid for _, pid, _ in items}
    assert all(held == b"x" * 300_000 for _, _, held in items)


def test_raises_what_was_raised_there_after_what_came_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("line 2 is none")

    found = beside(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="line 2 is none"):
        next(found)


def test_one_that_is_killed_is_an_error_not_an_end() -> None:
    def items() -> Iterator[int]:
        yield 1
        os.kill(os.getpid(), signal.SIGKILL)

    found = beside(items())
    assert next(found) == 1
    with pytest.raises(BesideEnded):
        next(found)


def test_who_takes_no_more_leaves_no_process_behind() -> None:
    def forever() -> Iterator[int]:
        while True:
            yield os.getpid()

    found = beside(forever())
    (pid,) = islice(found, 1)
    found.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def until_it_reads(process: subprocess.Popen[bytes]) -> None:
    """Until the process beside it is there and leaves Ctrl-C to it."""
    deadline = time.monotonic() + 30
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not any(_ignores_ctrl_c(int(child)) for child in children.read_text().split()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _ignores_ctrl_c(pid: int) -> bool:
    [ignored] = (line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored, 16) & 1 << signal.SIGINT - 1)


def test_ctrl_c_ends_meter_at_once_while_its_input_waits() -> None:
    # Where the tests themselves run in the background of a shell, Ctrl-C is ignored, and a command that they start would inherit that.
    with subprocess.Popen([sys.executable, "-c", METER], stdin=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0) as process:
        assert process.stderr is not None
        until_it_reads(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) != 0
        assert b"Traceback" not in process.stderr.read()

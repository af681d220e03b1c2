"""Where a running service spends its time, by py-spy's samples. py-spy is no dependency: install it beside, or say where it is with PY_SPY.

Limit: the samples are of Python's stacks; time in a library written in C is its caller's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

RATE_HZ: Final = 200
_FRAME: Final = re.compile(r"(?P<name>.+) \((?P<file>[^()]*?)(?::(?P<line>\d+))?\)$")


def found() -> str | None:
    """The program, if it is there."""
    return shutil.which(os.environ.get("PY_SPY", "py-spy"))


def look_at(pid: int, out: Path) -> subprocess.Popen[bytes]:
    """Sample a process until it ends. Threads that wait are not sampled."""
    program = found()
    if program is None:
        raise RuntimeError("py-spy is not there: `pip install py-spy` somewhere on PATH, or set PY_SPY to where it is.")
    command = (program, "record", "--pid", str(pid), "--rate", str(RATE_HZ), "--format", "raw", "--output", str(out), "--threads")
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def top(samples: Path, lines: int = 25) -> str:
    """Functions by own share of the samples, with the share of them and all that they call."""
    own: Counter[str] = Counter()
    everything: Counter[str] = Counter()
    total = 0
    for stack in samples.read_text().splitlines():
        frames, _, count = stack.rpartition(" ")
        names = [_short(frame) for frame in frames.split(";")]
        total += int(count)
        own[names[-1]] += int(count)
        for name in set(names):
            everything[name] += int(count)
    out = [f"{'own %':>6} {'all %':>6}  function      ({total / RATE_HZ:.1f} s of samples)"]
    out += [f"{100 * count / total:6.1f} {100 * everything[name] / total:6.1f}  {name}" for name, count in own.most_common(lines)]
    return "\n".join(out)


def _short(frame: str) -> str:
    match = _FRAME.match(frame)
    if match is None:
        return frame
    return f"{'/'.join(Path(match['file']).parts[-2:])} {match['name']}"

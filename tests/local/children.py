"""Small parts made of Python processes, for tests of the supervisor: they do real things with real processes, quickly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from services.local.part import Part

# Says it is ready by making a file, notes its start and its stop in one shared journal, and ends by SIGTERM.
SERVICE = """
import signal, sys, time, pathlib
name, home = sys.argv[1], pathlib.Path(sys.argv[2])
def note(what):
    with open(home / "journal", "a") as journal: journal.write(f"{what} {name}\\n")
def stop(*_):
    note("stop"); (home / f"{name}.ready").unlink(missing_ok=True); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("start")
(home / f"{name}.ready").touch()
while True: time.sleep(0.05)
"""


def service(name: str, home: Path, script: str = SERVICE, **more: Any) -> Part:
    """A part that runs `script` with its name and `home`; ready when `home`/name.ready is there."""
    ready_file = home / f"{name}.ready"
    return Part(name=name, argv=(sys.executable, "-c", script, name, str(home)), ready=ready_file.exists, **more)


def journal(home: Path) -> list[str]:
    """What the children noted, in order."""
    path = home / "journal"
    return path.read_text().splitlines() if path.exists() else []

"""A local stack as a person uses it: the commands of `quarterhour`, each a process of its own.

Rule: whatever a test did, the stack is stopped at the end.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from services.local.find import stack_settings
from services.runtime.settings import Settings, child_environment

PORTS_FIRST: Final = 25_000
PORTS_LAST: Final = 31_000
PORTS_EACH: Final = 30


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A running stack."""

    home: Path

    def run(self, *arguments: str, timeout_s: float = 600.0) -> str:
        return quarterhour(*arguments, "--data-dir", str(self.home), timeout_s=timeout_s)

    def settings(self) -> Settings:
        return stack_settings(self.home)

    def key(self, workspace: str) -> str:
        """An API key for this workspace."""
        command = [sys.executable, "-m", "services.cli", "keys", "create", "--workspace", workspace]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=child_environment(self.settings())).stdout.strip()

    def ask(self, path: str, key: str, **parameters: str) -> dict[str, Any]:
        """A GET of the query service."""
        query = self.settings().query
        request = urllib.request.Request(f"http://{query.host}:{query.port}{path}?{urlencode(parameters)}", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def local_stack(home: Path, *, processors: int = 1, port_base: int | None = None) -> Iterator[LocalStack]:
    base = free_port_base() if port_base is None else port_base
    quarterhour("up", "--detach", "--data-dir", str(home), "--port-base", str(base), "--processors", str(processors))
    try:
        yield LocalStack(home)
    finally:
        quarterhour("down", "--data-dir", str(home))


def quarterhour(*arguments: str, timeout_s: float = 600.0) -> str:
    """Run a command; its standard output. Fails with its words when it does."""
    done = subprocess.run([sys.executable, "-m", "services.cli", *arguments], check=False, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def free_port_base() -> int:
    """The first of a row of ports that nobody uses now."""
    for base in range(PORTS_FIRST, PORTS_LAST, PORTS_EACH):
        if all(_is_free(port) for port in range(base, base + PORTS_EACH)):
            return base
    raise AssertionError(f"no {PORTS_EACH} free ports in a row between {PORTS_FIRST} and {PORTS_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

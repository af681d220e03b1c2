"""A local stack as a person uses it: the commands of `quarterhour`, each a process of its own.

Rule: whatever a test did, the stack is stopped at the end.
"""

from __future__ import annotations

import json
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
from tests.parts.ports import free_port

PORTS: Final = 30
"""How many in a row a stack takes."""


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
    base = free_port(PORTS) if port_base is None else port_base
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

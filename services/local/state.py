"""What a stack leaves in its data directory for other commands: stack.json (who runs, where), env (how to reach it), lock (one stack at a time),
generation (after a rebuild).

Rule: files are replaced as a whole; env holds passwords and is for the owner alone. Whoever holds the lock is the running stack; it ends with the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import platformdirs

from services.local.part import PartError

LOCK_TRIES: Final = 5
LOCK_TRY_EVERY_S: Final = 0.1
"""`is_running` holds the lock for an instant: one refusal proves nothing."""


class PartState(msgspec.Struct, frozen=True):
    """One part, as the supervisor last saw it."""

    name: str
    state: str
    pid: int
    """0: no process."""
    started: float
    """When the process began, seconds since 1970."""
    restarts: int
    exit_code: int | None
    endpoint: str
    log: str
    stop_signal: int


class StackState(msgspec.Struct, frozen=True):
    """stack.json."""

    state: str
    """starting, ready, stopping or stopped."""
    pid: int
    started: float
    data_dir: str
    port_base: int
    processors: int
    endpoints: dict[str, str]
    parts: list[PartState]


def default_data_dir() -> Path:
    """~/.local/share/quarterhour, or below $XDG_DATA_HOME."""
    return platformdirs.user_data_path("quarterhour")


def read_state(data_dir: Path) -> StackState | None:
    """The last state that a stack wrote here, if any. It may be of a stack that is gone: see `is_running`."""
    try:
        return msgspec.json.decode((data_dir / "stack.json").read_bytes(), type=StackState)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise PartError(f"{data_dir / 'stack.json'} cannot be read ({error}). Delete it when no stack runs on this directory.") from error


def write_state(data_dir: Path, state: StackState) -> None:
    _replace(data_dir / "stack.json", msgspec.json.format(msgspec.json.encode(state)), 0o644)


def write_environment(data_dir: Path, environment: Mapping[str, str]) -> None:
    """`export` lines, for `. DATA/env` in a shell and for `read_environment`."""
    lines = [f"export {name}={shlex.quote(text)}\n" for name, text in sorted(environment.items())]
    _replace(data_dir / "env", "".join(lines).encode(), 0o600)


def read_environment(data_dir: Path) -> dict[str, str]:
    words = [shlex.split(line) for line in (data_dir / "env").read_text().splitlines()]
    return dict(assignment.split("=", 1) for _, assignment in words)


def read_generation(data_dir: Path) -> int:
    """The generation of the facts that this stack makes; 1 until the first `rebuild`."""
    path = data_dir / "generation"
    try:
        return int(path.read_text()) if path.exists() else 1
    except ValueError as error:
        raise PartError(f"{path} holds no number: write the generation of the newest facts into it (their revision divided by 2^48).") from error


def write_generation(data_dir: Path, generation: int) -> None:
    """From the next start on."""
    _replace(data_dir / "generation", f"{generation}\n".encode(), 0o644)


def is_running(data_dir: Path) -> bool:
    """Whether a stack holds this directory's lock."""
    if not (data_dir / "lock").exists():
        return False
    with (data_dir / "lock").open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def make_data_dir(data_dir: Path) -> None:
    """Make the directory, and the one for logs in it. Raises `PartError` where that is impossible."""
    try:
        (data_dir / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PartError(f"{data_dir} cannot be a data directory ({error.strerror}: {error.filename}). Choose one that can be written: --data-dir.") from error


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold the lock of the data directory. Raises `PartError` when a stack has it, or it cannot be made."""
    make_data_dir(data_dir)
    with (data_dir / "lock").open("a") as file:
        if not _lock(file):
            raise PartError(f"A stack runs on {data_dir} already: `quarterhour status` shows it, `quarterhour down` stops it; or use another --data-dir.")
        yield


def _lock(file: IO[str]) -> bool:
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(LOCK_TRY_EVERY_S)
    return False


def as_json(value: object) -> dict[str, Any]:
    """A state as plain data."""
    plain: dict[str, Any] = json.loads(msgspec.json.encode(value))
    return plain


def _replace(path: Path, content: bytes, mode: int) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    beside.replace(path)

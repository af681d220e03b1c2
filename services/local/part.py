"""One part of the stack on this machine: how it is prepared, started, known to be ready, and stopped.

Rule: a part is data; the supervisor, the tests and `python -m services.local.<part>` run the same data.
Limit: parts are processes on this machine whose output goes to one log file each.
"""

from __future__ import annotations

import fcntl
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

Say = Callable[[str], None]

PROBE_EVERY_S = 0.1
TAIL_LINES = 15


class PartError(Exception):
    """A part does not start. `str()` says which, why as far as it is known, its last log lines, and the way out."""


def nothing_to_prepare(_say: Say) -> None:
    """For parts that need no files of their own."""


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool]
    """One probe, at most a few seconds; raises nothing."""
    why_not: Callable[[], str] = lambda: ""
    """What it says itself when it runs and is not ready; raises nothing."""
    endpoint: str = ""
    """For people: where it listens."""
    ports: tuple[int, ...] = ()
    """TCP ports on the loopback address that must be free before it starts."""
    prepare: Callable[[Say], None] = nothing_to_prepare
    """Blocking; makes what the first start needs. Raises `PartError`."""
    environment: Mapping[str, str] | None = None
    """None: this process's own."""
    user: str | None = None
    lock: Path | None = None
    """A file that one process at a time may hold; for parts that do not look after their directory themselves."""
    tries_at_start: int = 1
    """How often a first start may end before it counts as failed."""
    stop_signal: int = signal.SIGTERM
    stop_s: float = 20.0
    ready_s: float = 60.0
    advice: Mapping[str, str] = field(default_factory=dict)
    """Text in the log -> what to do."""


@dataclass(slots=True)
class Running:
    """A started part that this process owns."""

    part: Part
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask, wait, and kill at last. Harmless when it is gone already."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(self.part.stop_signal)
        try:
            self.process.wait(self.part.stop_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """As a crash would: SIGKILL."""
        self.process.kill()
        self.process.wait()


def start(part: Part, log: Path, say: Say | None = None) -> Running:
    """Prepare a part, start it and wait until it is ready.

    Raises `PartError`; nothing is left running then.
    """
    part.prepare(say or tell)
    for port in part.ports:
        require_free(port, part.name)
    running = Running(part, launch(part, log), log)
    deadline = time.monotonic() + part.ready_s
    while not part.ready():
        if running.process.poll() is not None:
            raise PartError(explain(part, log, f"ended with exit code {running.process.returncode} before it was ready"))
        if time.monotonic() > deadline:
            why = not_ready(part)
            running.stop()
            raise PartError(explain(part, log, why))
        time.sleep(PROBE_EVERY_S)
    return running


def launch(part: Part, log: Path) -> subprocess.Popen[bytes]:
    """Start the process in a session of its own (a Ctrl-C in the terminal must not reach it before its turn), its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output, _locked(part) as lock:
        return subprocess.Popen(
            part.argv,
            env=part.environment,
            **as_user(part.user),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()] if lock else [],
        )


@contextmanager
def _locked(part: Part) -> Iterator[IO[bytes] | None]:
    """The part's lock file, locked. The child inherits it, so it is locked for as long as the child lives, whatever becomes of this process."""
    if part.lock is None:
        yield None
        return
    with part.lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PartError(f"Another {part.name} runs on {part.lock.parent}: stop it (`quarterhour down`), or use another --data-dir.") from None
        yield file


def as_user(user: str | None) -> dict[str, Any]:
    """Arguments for `subprocess` to run as another user with that user's group and no other: root's groups must not go along."""
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def not_ready(part: Part) -> str:
    """For `explain`, while it still runs: that it took too long, and what it says about it."""
    said = part.why_not()
    return f"was not ready after {part.ready_s:.0f} s" + (f" and says {said}" if said else "")


def explain(part: Part, log: Path, why: str) -> str:
    """What happened, the last lines of the log, and what to do about it when the log holds a known text."""
    tail = last_lines(log)
    lines = [f"{part.name} {why}. The end of {log}:", *(f"  | {line}" for line in tail)]
    lines += [advice for text, advice in part.advice.items() if any(text in line for line in tail)]
    return "\n".join(lines)


def last_lines(log: Path, count: int = TAIL_LINES) -> list[str]:
    """The last lines of a log file, of its last 64 KiB."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65_536))
        return file.read().decode(errors="replace").splitlines()[-count:]


def accepts(port: int) -> bool:
    """Whether something listens on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def require_free(port: int, wanted_by: str) -> None:
    """Raises `PartError` with the port, who holds it if that can be seen, and the way out."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PartError(
                f"Port {port}, which {wanted_by} needs, cannot be used ({error.strerror}){_owner(port)}. Stop that process, or choose other ports: --port-base."
            ) from None


def _owner(port: int) -> str:
    import psutil  # type: ignore[import-untyped]

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f": it is held by process {connection.pid} ({process.name()})"
    except psutil.Error:
        # Who it is helps, but other people's processes may not be looked at.
        return ""
    return ""


def tell(line: str) -> None:
    """Progress for people."""
    print(line, file=sys.stderr, flush=True)

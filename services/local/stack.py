"""The stack on this machine as one process: `up` in the foreground, or detached; `down`.

Rule: one stack a data directory; what a crashed one left running is ended first, if it is provably ours (pid and start of the process).
Order of effects at a start: lock, orphans, ports, then state and processes: a second `up` changes nothing of the first.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from services.local import processes
from services.local.part import PartError, Say, last_lines, require_free, tell
from services.local.plan import PORT_BASE, Plan, make_plan
from services.local.state import PartState, StackState, held, is_running, make_data_dir, read_state, write_environment, write_state
from services.local.supervisor import Child, Supervisor
from services.runtime.errors import ServiceError
from services.runtime.settings import SettingsError

DOWN_WAIT_S: Final = 120.0
ORPHAN_WAIT_S: Final = 15.0
WATCH_S: Final = 0.2
READY: Final = "the stack is ready"


def run_stack(plan: Plan, say: Say = tell) -> int:
    """Run the stack until a signal; the exit code of the process: 0 stopped as asked, 1 it did not start, 2 the settings cannot be used."""
    try:
        with held(plan.data_dir):
            _end_orphans(plan.data_dir, say)
            asyncio.run(_run(plan, say))
    except SettingsError as error:
        say(str(error))
        return 2
    except (PartError, ServiceError) as error:
        say(str(error))
        return 1
    return 0


async def _run(plan: Plan, say: Say) -> None:
    stages = plan.stages()
    _require_ports(plan)
    write_environment(plan.data_dir, plan.addresses())
    writer = _StateWriter(plan)
    supervisor = Supervisor(stages, plan.logs, say, writer.write)
    stop = asyncio.Event()
    _take_signals(stop, supervisor, say)

    def ready() -> None:
        writer.state = "ready"
        writer.write(supervisor.children)
        say("\n".join([f"  {name:<11} {address}" for name, address in plan.endpoints().items()]))
        say(f"{READY}: `quarterhour status`, `quarterhour down`; settings for other programs: {plan.data_dir / 'env'}")

    async def note_stop() -> None:
        await stop.wait()
        writer.state = "stopping"

    noting = asyncio.create_task(note_stop())
    try:
        await supervisor.run(stop, ready)
    finally:
        noting.cancel()
        writer.state = "stopped"
        writer.write(supervisor.children)
        say("the stack has stopped")


class _StateWriter:
    def __init__(self, plan: Plan) -> None:
        self.state = "starting"
        self._plan = plan
        self._started = processes.started_at(os.getpid())

    def write(self, children: list[Child]) -> None:
        plan = self._plan
        parts = [_part_state(child) for child in children]
        write_state(
            plan.data_dir,
            StackState(self.state, os.getpid(), self._started, str(plan.data_dir), plan.ports.base, plan.processors, plan.endpoints(), parts),
        )


def _part_state(child: Child) -> PartState:
    pid = child.process.pid if child.process and child.running else 0
    part = child.part
    return PartState(part.name, child.state, pid, child.started, child.restarts, child.exit_code, part.endpoint, str(child.log), int(part.stop_signal))


def _take_signals(stop: asyncio.Event, supervisor: Supervisor, say: Say) -> None:
    def handle() -> None:
        if stop.is_set():
            say("killing what has not stopped yet")
            supervisor.hurry.set()
        else:
            say("stopping; once more kills what has not stopped")
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, handle)


def _end_orphans(data_dir: Path, say: Say) -> None:
    """In the reverse order of their start: what a supervisor that was killed left behind."""
    last = read_state(data_dir)
    for part in reversed(last.parts if last else []):
        if part.pid and processes.is_same(part.pid, part.started):
            say(f"ending {part.name} (process {part.pid}), left running by a stack that was killed")
            processes.end(part.pid, part.started, part.stop_signal, ORPHAN_WAIT_S)


def _require_ports(plan: Plan) -> None:
    problems: list[str] = []
    for part in plan.parts():
        for port in part.ports:
            try:
                require_free(port, part.name)
            except PartError as error:
                problems.append(str(error))
    if problems:
        raise PartError("\n".join(problems))


def start_detached(plan: Plan, say: Say = tell) -> int:
    """Start the stack as a process of its own; return when it is ready (0) or has failed (its exit code). Its words are passed on meanwhile."""
    try:
        make_data_dir(plan.data_dir)
    except PartError as error:
        say(str(error))
        return 1
    log = plan.logs / "supervisor.log"
    told = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(_command(plan), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return _watch(process, log, told, say)
    except KeyboardInterrupt:
        process.terminate()
        say("stopping what was started")
        return process.wait()


def _watch(process: subprocess.Popen[bytes], log: Path, told: int, say: Say) -> int:
    while True:
        ended = process.poll()
        with log.open("rb") as file:
            file.seek(told)
            lines = file.read().decode(errors="replace")
        told += len(lines.encode())
        if lines:
            say(lines.rstrip("\n"))
        if READY in lines:
            return 0
        if ended is not None:
            return ended or 1
        time.sleep(WATCH_S)


def _command(plan: Plan) -> list[str]:
    where = ["--data-dir", str(plan.data_dir), "--port-base", str(plan.ports.base), "--processors", str(plan.processors)]
    return [sys.executable, "-m", "services.local.stack", *where]


def stop_stack(data_dir: Path, say: Say = tell) -> bool:
    """Stop the stack of this data directory and wait for it; False: none was running. What it left behind, if it had to be killed, is ended too."""
    if not (data_dir / "stack.json").exists():
        return False
    running = is_running(data_dir)
    if running:
        _signal_supervisor(data_dir, signal.SIGTERM)
        if not _wait(lambda: not is_running(data_dir), DOWN_WAIT_S):
            log = data_dir / "logs" / "supervisor.log"
            say("\n".join([f"the stack did not stop within {DOWN_WAIT_S:.0f} s and is killed. The end of {log}:", *last_lines(log, 5)]))
            _signal_supervisor(data_dir, signal.SIGKILL)
            _wait(lambda: not is_running(data_dir), ORPHAN_WAIT_S)
    with held(data_dir):
        _end_orphans(data_dir, say)
    return running


def _signal_supervisor(data_dir: Path, number: signal.Signals) -> None:
    state = read_state(data_dir)
    if state and processes.is_same(state.pid, state.started):
        os.kill(state.pid, number)


def _wait(done: Callable[[], bool], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(WATCH_S)
    return True


def main() -> None:
    """The detached process."""
    parser = argparse.ArgumentParser(prog="python -m services.local.stack")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--port-base", type=int, default=PORT_BASE)
    parser.add_argument("--processors", type=int, default=1)
    arguments = parser.parse_args()
    leave(run_stack(make_plan(arguments.data_dir, arguments.port_base, arguments.processors)))


def leave(exit_code: int) -> None:
    """End the process without waiting for a thread that still downloads or formats: what it left is mended by the next start."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


if __name__ == "__main__":
    main()

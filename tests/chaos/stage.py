"""A running chaos stack: its parts by name, how to hurt them, and when each of them works again.

Rule: only processes that this stack started are signalled (pid and start agree). "Works again" is judged by the part's work, not by its process:
ingest has sent events, a processor has applied a message, the sink has inserted rows, a database answers a query, the query service is ready.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from services.local import processes
from services.local.part import Part
from services.local.plan import LOOPBACK, Ports
from services.local.stack import stop_stack
from services.local.state import read_state
from services.local.supervisor import Supervisor
from tests.chaos.plan import ChaosPlan
from tests.chaos.proxy import Proxy
from tests.parts.ports import free_port
from tests.pipeline.stack import PORTS, LocalStack

UP_S_MAX: Final = 150.0
LOOK_EVERY_S: Final = 0.05
WORK: Final = {
    "ingest": r"^quarterhour_ingest_events_total ([0-9.e+]+)",
    "processor": r"^quarterhour_processor_messages_total ([0-9.e+]+)",
    "sink": r"^quarterhour_sink_rows_total\{[^}]*\} ([0-9.e+]+)",
}
"""The counter that shows a service's work. A new process begins at zero."""


def is_service(name: str) -> bool:
    """Whether a counter shows this part's work."""
    return name.partition("-")[0] in WORK


class NotBack(AssertionError):
    """A part does not work again in time."""


class Worker:
    """A processor beside those of the stack, under a supervisor of the same kind."""

    def __init__(self, part: Part, logs: Path) -> None:
        self._supervisor = Supervisor([[part]], logs, lambda _line: None)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=part.name, daemon=True)
        self._thread.start()
        assert self._ready.wait(UP_S_MAX), f"{part.name} does not start"

    def _run(self) -> None:
        self._loop.run_until_complete(self._supervisor.run(self._stop, self._ready.set))

    @property
    def pid(self) -> int:
        child = self._supervisor.children[0]
        return child.process.pid if child.process and child.running else 0

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)


@dataclass(slots=True)
class Stage:
    """What the actions of a campaign act on."""

    plan: ChaosPlan
    stack: LocalStack
    kafka: Proxy
    clickhouse: Proxy
    workers: dict[str, Worker]

    def pid(self, name: str) -> int:
        """Of the part's process now; 0: none runs."""
        if name in self.workers:
            return self.workers[name].pid
        state = read_state(self.plan.data_dir)
        found = [part for part in state.parts if part.name == name] if state else []
        return found[0].pid if found and processes.is_same(found[0].pid, found[0].started) else 0

    def send(self, name: str, number: signal.Signals) -> int:
        """Send a signal to the part's process, once there is one; its pid."""
        deadline = time.monotonic() + UP_S_MAX
        while not (pid := self.pid(name)):
            if time.monotonic() > deadline:
                raise NotBack(f"{name} has no process for {UP_S_MAX:.0f} s")
            time.sleep(LOOK_EVERY_S)
        os.kill(pid, number)
        return pid

    def until_works(self, name: str, limit_s: float, *, other_than: int = 0) -> float:
        """Seconds until the part works, in a process other than the given one."""
        began_at = time.monotonic()
        while self.pid(name) in (0, other_than) or not self._check(name):
            if time.monotonic() - began_at > limit_s:
                raise NotBack(f"{name} does not work again after {limit_s:.0f} s; see {self.plan.logs / f'{name}.log'}")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - began_at

    def add_worker(self, number: int) -> None:
        parts = {part.name: part for part in replace(self.plan, processors=number).parts()}
        name = f"processor-{number}"
        self.workers[name] = Worker(parts[name], self.plan.logs)

    def end_worker(self, number: int) -> None:
        self.workers.pop(f"processor-{number}").end()

    def processors(self) -> list[str]:
        return [*(f"processor-{number + 1}" for number in range(self.plan.processors)), *self.workers]

    def until_moves(self, name: str, limit_s: float) -> float:
        """Seconds until a service has worked since now, in this process or the next."""
        began_at = time.monotonic()
        pid, before = self.pid(name), self._worked(name)
        while (now := self._worked(name)) <= (before if self.pid(name) == pid else 0.0):
            if time.monotonic() - began_at > limit_s:
                raise NotBack(f"{name} does not work on after {limit_s:.0f} s (its counter says {now:g}); see {self.plan.logs / f'{name}.log'}")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - began_at

    def _check(self, name: str) -> bool:
        ports = self.plan.ports
        match name:
            case "kafka":
                return _kafka_answers(f"{LOOPBACK}:{ports.kafka}")
            case "clickhouse":
                return _answers(f"http://{LOOPBACK}:{ports.clickhouse}/?query=SELECT+1")
            case "query" | "postgres":
                return _answers(f"http://{LOOPBACK}:{ports.query}/readyz")
            case _:
                return self._worked(name) > 0

    def _worked(self, name: str) -> float:
        """What the service has done since its process began; 0 while it does not answer."""
        kind, _, instance = name.partition("-")
        service = 2 + int(instance) if instance else ("ingest", "sink").index(kind)
        return counted(self.plan.ports.metrics(service), WORK[kind])


@contextmanager
def chaos_stack(home: Path, processors: int = 1) -> Iterator[Stage]:
    """A stack that is ready, with good networks. It is stopped at the end, whatever happened; its supervisor's words are in logs/supervisor.log."""
    plan = ChaosPlan(home.resolve(), Ports(free_port(PORTS)), processors)
    ports = plan.proxies
    with Proxy(ports.kafka, ports.kafka_inner) as kafka, Proxy(ports.clickhouse, plan.ports.clickhouse) as clickhouse:
        stage = Stage(plan, LocalStack(plan.data_dir), kafka, clickhouse, {})
        try:
            _start(plan)
            yield stage
        finally:
            for worker in stage.workers.values():
                worker.end()
            stop_stack(plan.data_dir, lambda _line: None)


def _start(plan: ChaosPlan) -> None:
    plan.logs.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.chaos.plan", "--data-dir", str(plan.data_dir), "--port-base", str(plan.ports.base)]
    log = plan.logs / "supervisor.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--processors", str(plan.processors)], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + UP_S_MAX
    while (state := read_state(plan.data_dir)) is None or state.state != "ready":
        assert process.poll() is None, f"the stack did not start:\n{log.read_text()[-3_000:]}"
        assert time.monotonic() < deadline, f"the stack is not ready after {UP_S_MAX:.0f} s:\n{log.read_text()[-3_000:]}"
        time.sleep(0.2)


def counted(port: int, counter: str) -> float:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=2) as answer:
            text = answer.read().decode()
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        return 0.0
    return sum(float(count) for count in re.findall(counter, text, re.MULTILINE))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        return False


def _kafka_answers(server: str) -> bool:
    try:
        return bool(AdminClient({"bootstrap.servers": server, "log_level": 0}).list_topics(timeout=3).brokers)
    except KafkaException:
        return False

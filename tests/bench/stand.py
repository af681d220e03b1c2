"""A broker and a ClickHouse of the measurements' own, and the services as processes whose time and memory can be read.

Rule: a run has topics of batches, facts and state that are empty, consumer groups and a database of its own; the raw topics stay, so that runs
after one another read the same log. Everything is stopped at the end.
Limit: one broker; loopback; the ports from `port_base` on.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from services.cli.offsets import Offsets
from services.cli.wait import close_log
from services.events import topics
from services.local.kafka import QUICK_COMPILER
from services.local.part import Part, Running, start
from services.local.plan import answers, make_plan
from services.runtime.clickhouse import connect
from services.runtime.kafka import create_topics, topic_specs
from services.runtime.migrations import ClickHouseStore, pending
from services.runtime.settings import Settings, environment_for_children
from tests.bench import spy
from tests.bench.core import Ending, Show
from tests.bench.measure import cpu_s_of, peak_rss_mib_of
from tests.bench.workload import Workload, records

READY_S: Final = 60.0
_STOP_S: Final = 30.0


@dataclass(slots=True)
class Stand:
    """The parts that every run shares."""

    home: Path
    port_base: int
    settings: Settings
    parts: dict[str, Running] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    spying: bool = False
    """Whether py-spy looks at every service: its samples land in `home`, and the figures are worth less."""
    spies: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def servers(self) -> str:
        return self.settings.kafka.bootstrap_servers

    def offsets(self) -> Offsets:
        return Offsets(self.settings.kafka)

    def fill(self, load: Workload, show: Show = lambda done: None) -> None:
        """The raw topics, empty before, with this log; then the log is closed."""
        self.empty(topics.RAW_TOPICS)
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 50, "compression.type": "lz4", "queue.buffering.max.messages": 400_000})
        done = 0
        for some in records(load):
            for topic, key, log_ms, value in zip(some.topics, some.keys, some.log_ms, some.values, strict=True):
                while True:
                    try:
                        producer.produce(topics.RAW_TOPICS[topic], value, key, timestamp=log_ms)
                        break
                    except BufferError:
                        producer.poll(0.05)
            done += len(some.values)
            producer.poll(0)
            show(done)
        if producer.flush(120):
            raise RuntimeError("the broker did not take the log in two minutes")
        close_log(self.settings.kafka, self.offsets(), None, 0)

    def begin_run(self, name: str, **groups: Mapping[str, object]) -> Settings:
        """The settings of a run: groups and database of its own; `groups` override single settings."""
        own = {
            "ingest": {"group_id": f"{name}-ingest"},
            "processors": {"app_id": f"{name}-processors"},
            "sink": {"group_id": f"{name}-sink"},
            "clickhouse": {"database": name},
        }
        settings = self.settings
        for group in {*own, *groups}:
            update = {**own.get(group, {}), **groups.get(group, {})}
            settings = settings.model_copy(update={group: getattr(settings, group).model_copy(update=update)})
        self.empty([spec.name for spec in topic_specs(settings) if spec.name not in topics.RAW_TOPICS], settings)
        _migrate(settings)
        return settings

    def end_run(self, settings: Settings) -> None:
        """Stop its services, drop its database and state topic."""
        self.stop(*list(self.processes))
        client = connect(settings.clickhouse, database="")
        client.command(f"DROP DATABASE IF EXISTS {settings.clickhouse.database} SYNC")
        client.close()
        self._delete([f"{settings.processors.app_id}-state-changelog"])

    def empty(self, names: Iterable[str], settings: Settings | None = None) -> None:
        """These topics, new."""
        self._delete(list(names))
        create_topics(settings or self.settings, lambda _line: None)

    def serve(self, name: str, settings: Settings) -> int:
        """Start a service, wait until it is ready; its process id. `name` is the room, or room-number."""
        port = self.port_base + 10 + len(self.processes)
        environment = environment_for_children(settings) | {"QUARTERHOUR_METRICS__PORT": str(port)}
        if name.startswith("processor"):
            environment["QUARTERHOUR_PROCESSORS__INSTANCE"] = name
        log = (self.home / f"{name}.log").open("ab")
        with log:
            arguments = [sys.executable, "-m", "services.cli", "serve", name.partition("-")[0]]
            process = subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.processes[name] = process
        deadline = time.monotonic() + READY_S
        while not answers(f"http://127.0.0.1:{port}/readyz"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not get ready: {self.tail(name)}")
            time.sleep(0.02)
        if self.spying:
            self.spies.append(spy.look_at(process.pid, self.home / f"{name}.spy"))
        return process.pid

    def metric(self, name: str, metric: str) -> float:
        """The sum over a metric's labels, without the ledger's rows."""
        port = self.port_base + 10 + list(self.processes).index(name)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric) and 'table="ledger"' not in line)

    def cpu_s(self) -> dict[str, float]:
        """Of every process that lives, the broker and ClickHouse among them."""
        pids = {name: process.pid for name, process in self.processes.items() if process.poll() is None}
        return {name: cpu_s_of(pid) for name, pid in (pids | {name: part.pid for name, part in self.parts.items()}).items()}

    def peak_rss_mib(self) -> dict[str, float]:
        pids = {name: process.pid for name, process in self.processes.items() if process.poll() is None}
        return {name: peak_rss_mib_of(pid) for name, pid in (pids | {name: part.pid for name, part in self.parts.items()}).items()}

    def require_living(self) -> None:
        """Raises with the end of its log when a service has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: {self.tail(name)}")

    def tail(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")[-3_000:]

    def stop(self, *names: str) -> None:
        """SIGTERM, and SIGKILL at last."""
        for name in names:
            self.processes[name].terminate()
        for name in names:
            process = self.processes.pop(name)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        while self.spies:
            self.spies.pop().wait(_STOP_S)

    def stored(self, settings: Settings) -> Ending:
        """What ClickHouse holds, as the facts were published."""
        ending = Ending()
        client = connect(settings.clickhouse)
        shape = {"date_time_output_format": "iso", "output_format_json_quote_64bit_integers": 0, "output_format_json_escape_forward_slashes": 0}
        for topic, table in _TABLES.items():
            for line in client.raw_query(f"SELECT * FROM {table} FINAL FORMAT JSONEachRow", settings=shape).splitlines():
                ending.put(topic, line[line.index(b":") + 2 :][:32], line)
        client.close()
        return ending

    def _delete(self, names: list[str]) -> None:
        admin = AdminClient({"bootstrap.servers": self.servers})
        present = sorted(set(names) & set(admin.list_topics(timeout=10).topics))
        for future in admin.delete_topics(present).values() if present else ():
            future.result(20)
        while set(admin.list_topics(timeout=10).topics) & set(present):
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(*list(self.processes))


_TABLES: Final = {
    topics.SESSIONS: "billing_sessions",
    topics.EPISODES: "conversations",
    topics.PEAKS: "seat_peaks",
    topics.LOGINS: "agent_logins",
    topics.ASSIGNMENTS: "agent_assignments",
}


@contextmanager
def stand(home: Path, port_base: int, clickhouse: bool = True) -> Iterator[Stand]:
    """A broker, and a ClickHouse, for as long as the block runs."""
    plan = make_plan(home, port_base)
    home.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as stack:
        parts = {part.name: _as_in_production(part) for part in plan.parts() if part.name in ("kafka", *(("clickhouse",) if clickhouse else ()))}
        running = {name: stack.enter_context(start(part, home / f"{name}.log")) for name, part in parts.items()}
        yield stack.enter_context(Stand(home, port_base, plan.settings(), running))


def _as_in_production(part: Part) -> Part:
    """A broker with both of Java's compilers, as Apache's own scripts start it: the local stack's begins sooner, and works slower for good."""
    return replace(part, argv=tuple(argument for argument in part.argv if argument != QUICK_COMPILER))


def _migrate(settings: Settings) -> None:
    server = connect(settings.clickhouse, database="")
    server.command(f"DROP DATABASE IF EXISTS {settings.clickhouse.database} SYNC")
    server.command(f"CREATE DATABASE {settings.clickhouse.database}")
    server.close()
    client = connect(settings.clickhouse)
    store = ClickHouseStore(client)
    store.prepare()
    for migration in pending(store):
        store.apply(migration)
    client.close()

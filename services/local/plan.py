"""What a stack on this machine consists of: its ports, its parts in the order of their start, and the settings that reach them.

Rule: ports follow from one number; the same plan starts the stack and looks at it later.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from services.local.kafka import kafka_part
from services.local.part import Part, Say
from services.local.postgres import dsn, make_password, postgres_part
from services.local.state import default_data_dir, read_generation
from services.local.supervisor import Stage, Step
from services.runtime.settings import Settings, environment_for_children, environment_of, read_settings

PORT_BASE: Final = 19_000
LOOPBACK: Final = "127.0.0.1"
PROBE_TIMEOUT_S: Final = 3.0
_GROUPS: Final = {"ingest": "INGEST", "sink": "SINK", "processor": "PROCESSORS"}
"""Services that are consumers -> their group of settings."""
_ROOMS: Final = {"processor": "processors"}
"""Services whose room has another name."""


@dataclass(frozen=True, slots=True)
class Ports:
    base: int

    @property
    def kafka(self) -> int:
        return self.base

    @property
    def controller(self) -> int:
        return self.base + 1

    @property
    def clickhouse(self) -> int:
        return self.base + 2

    @property
    def postgres(self) -> int:
        return self.base + 3

    @property
    def query(self) -> int:
        return self.base + 4

    def metrics(self, service: int) -> int:
        """Of the service started as number `service`, from 0."""
        return self.base + 10 + service


@dataclass(frozen=True, slots=True)
class Plan:
    data_dir: Path
    ports: Ports
    processors: int

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    def addresses(self) -> dict[str, str]:
        """The environment variables that reach this stack, password and generation included."""
        home = self.data_dir / "postgres"
        make_password(home)
        return {
            "QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self.ports.kafka}",
            "QUARTERHOUR_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT",
            "QUARTERHOUR_KAFKA__REPLICATION_FACTOR": "1",
            "QUARTERHOUR_CLICKHOUSE__URL": f"http://{LOOPBACK}:{self.ports.clickhouse}",
            "QUARTERHOUR_CLICKHOUSE__USER": "default",
            "QUARTERHOUR_CLICKHOUSE__PASSWORD": "",
            "QUARTERHOUR_POSTGRES__DSN": dsn(home, self.ports.postgres),
            "QUARTERHOUR_QUERY__HOST": LOOPBACK,
            "QUARTERHOUR_QUERY__PORT": str(self.ports.query),
            "QUARTERHOUR_PROCESSORS__GENERATION": str(max(read_generation(self.data_dir), read_settings().processors.generation)),
        }

    def settings(self) -> Settings:
        """The settings of this process, with this stack's addresses."""
        return read_settings({**environment_of(read_settings()), **self.addresses()})

    def endpoints(self) -> dict[str, str]:
        """For people."""
        return {
            "kafka": f"{LOOPBACK}:{self.ports.kafka}",
            "clickhouse": f"http://{LOOPBACK}:{self.ports.clickhouse}",
            "postgres": f"{LOOPBACK}:{self.ports.postgres}",
            "query": f"http://{LOOPBACK}:{self.ports.query}",
        }

    def parts(self) -> list[Part]:
        return [*self._infrastructure(), *self._services(self.settings())]

    def stages(self) -> list[Stage]:
        settings = self.settings()
        return [
            self._infrastructure(),
            Step("topics", partial(_make_topics, settings)),
            Step("migrations", partial(_migrate, settings)),
            self._services(settings),
        ]

    def _infrastructure(self) -> list[Part]:
        return [
            postgres_part(self.data_dir / "postgres", self.ports.postgres),
            _clickhouse_part(self.data_dir / "clickhouse", self.ports.clickhouse),
            kafka_part(self.data_dir / "kafka", self.ports.kafka, self.ports.controller),
        ]

    def _services(self, settings: Settings) -> list[Part]:
        names = ["ingest", "sink", "query", *(f"processor-{number + 1}" for number in range(self.processors))]
        return [self._service(name, number, settings) for number, name in enumerate(names)]

    def _service(self, name: str, number: int, settings: Settings) -> Part:
        kind, _, _ = name.partition("-")
        port = self.ports.metrics(number)
        own = {"QUARTERHOUR_METRICS__PORT": str(port), "QUARTERHOUR_METRICS__HOST": LOOPBACK}
        if kind in _GROUPS:
            # Static membership: a service that is started again takes its partitions back at once; else the broker waits for the session of the one that died.
            own[f"QUARTERHOUR_{_GROUPS[kind]}__INSTANCE"] = name
        # The query service tells on its own port whether its databases answer.
        readiness = f"{self.endpoints()['query']}/readyz" if name == "query" else f"http://{LOOPBACK}:{port}/readyz"
        return Part(
            name=name,
            # What `quarterhour serve` runs, without the commands: a tenth of a second of every restart.
            argv=(sys.executable, "-m", f"services.{_ROOMS.get(kind, kind)}.main"),
            ready=partial(answers, readiness),
            why_not=partial(answer_of, readiness),
            endpoint=self.endpoints()["query"] if name == "query" else f"http://{LOOPBACK}:{port}/status.json",
            ports=(port, self.ports.query) if name == "query" else (port,),
            environment={**environment_for_children(settings), **own},
            tries_at_start=3,
            stop_s=25.0,
            ready_s=60.0,
        )


def make_plan(data_dir: Path | None, port_base: int = PORT_BASE, processors: int = 1) -> Plan:
    """A plan for this data directory; None: the user's."""
    return Plan((data_dir or default_data_dir()).expanduser().resolve(), Ports(port_base), processors)


def _clickhouse_part(data_dir: Path, port: int) -> Part:
    return Part(
        name="clickhouse",
        argv=(sys.executable, "-m", "services.local.clickhouse", "--data-dir", str(data_dir.resolve()), "--host", LOOPBACK, "--port", str(port)),
        ready=partial(answers, f"http://{LOOPBACK}:{port}/ping"),
        endpoint=f"http://{LOOPBACK}:{port}",
        ports=(port,),
        prepare=lambda _say: data_dir.mkdir(parents=True, exist_ok=True),
        stop_s=30.0,
        ready_s=60.0,
        advice={"No space left on device": "The disk is full: free space and start again."},
    )


def answers(url: str) -> bool:
    """Whether a GET of this address is answered with a success."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S) as response:
            return bool(response.status < 300)
    except (OSError, urllib.error.URLError):
        return False


def answer_of(url: str) -> str:
    """The body of the answer, whatever its status; empty: there was none."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S) as response:
            return str(response.read(2_000), "utf-8", "replace")
    except urllib.error.HTTPError as error:
        return str(error.read(2_000), "utf-8", "replace")
    except OSError:
        return ""


def _make_topics(settings: Settings, say: Say) -> None:
    from services.runtime.kafka import create_topics

    create_topics(settings, say)


def _migrate(settings: Settings, _say: Say) -> None:
    from services.runtime.migrations import migrate_all

    migrate_all(settings)

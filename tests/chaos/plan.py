"""The local stack with a bad network within reach: its services reach Kafka and ClickHouse through proxies, everything else is the product's own.

`python -m tests.chaos.plan --data-dir D --port-base N --processors P` runs it under the stack's own supervisor.
Rule: whoever looks from outside (the load, the judge, the commands) goes around the proxies.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from services.local.part import Part, Say
from services.local.plan import LOOPBACK, Plan, Ports
from services.local.stack import leave, run_stack
from services.local.supervisor import Stage
from services.runtime.settings import Settings, environment_of, read_settings


@dataclass(frozen=True, slots=True)
class ProxyPorts:
    base: int

    @property
    def kafka_inner(self) -> int:
        """Kafka's second listener, which tells its clients to come through the proxy."""
        return self.base + 6

    @property
    def kafka(self) -> int:
        return self.base + 7

    @property
    def clickhouse(self) -> int:
        return self.base + 8


@dataclass(frozen=True, slots=True)
class ChaosPlan(Plan):
    """`Plan`, its services behind proxies."""

    @property
    def proxies(self) -> ProxyPorts:
        return ProxyPorts(self.ports.base)

    def parts(self) -> list[Part]:
        return [self._mended(part) for part in Plan.parts(self)]

    def stages(self) -> list[Stage]:
        return [[self._mended(part) for part in stage] if isinstance(stage, list) else stage for stage in Plan.stages(self)]

    def settings(self) -> Settings:
        """What the services are told."""
        through = {
            "QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self.proxies.kafka}",
            "QUARTERHOUR_CLICKHOUSE__URL": f"http://{LOOPBACK}:{self.proxies.clickhouse}",
        }
        return read_settings({**environment_of(Plan.settings(self)), **through})

    def _mended(self, part: Part) -> Part:
        if part.name != "kafka":
            return part
        properties = self.data_dir / "kafka" / "server.properties"
        return replace(part, prepare=partial(_prepare, part.prepare, properties, self.proxies))


def _prepare(prepare: Callable[[Say], None], properties: Path, proxies: ProxyPorts, say: Say) -> None:
    """Kafka's own preparation, and the second listener."""
    prepare(say)
    lines = []
    for line in properties.read_text().splitlines():
        name, _, value = line.partition("=")
        more = {
            "listeners": f",PROXIED://{LOOPBACK}:{proxies.kafka_inner}",
            "advertised.listeners": f",PROXIED://{LOOPBACK}:{proxies.kafka}",
            "listener.security.protocol.map": ",PROXIED:PLAINTEXT",
        }.get(name, "")
        lines.append(f"{name}={value}{more}")
    properties.write_text("\n".join([*lines, "inter.broker.listener.name=PLAINTEXT", ""]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.plan")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port-base", type=int, required=True)
    parser.add_argument("--processors", type=int, default=1)
    arguments = parser.parse_args()
    leave(run_stack(ChaosPlan(arguments.data_dir.resolve(), Ports(arguments.port_base), arguments.processors)))


if __name__ == "__main__":
    main()

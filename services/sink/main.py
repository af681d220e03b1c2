"""Start the sink: facts in, rows out. The work is in `sink`, what is pure of it in `rows` and `waiting`, Kafka in `kafka`, ClickHouse in `clickhouse_store`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from time import monotonic
from types import ModuleType
from typing import Final

from services.runtime.garbage import collect_rarely
from services.runtime.kafka import verify_topics
from services.runtime.lifecycle import Service, run_service
from services.runtime.settings import Settings
from services.sink.arrow import warm_up
from services.sink.clickhouse_store import ClickHouseStore
from services.sink.kafka import KafkaFacts
from services.sink.sink import Sink

NAME: Final = "sink"


class _WithoutPandas(MetaPathFinder):
    """Arrow looks for pandas when it makes its first array: 0.3 s of a restart, and memory, for what nothing here uses."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("The sink does not use pandas.", name=fullname)


def run() -> int:
    """Work until SIGTERM or SIGINT, with the settings of the environment. Gives the exit code."""
    sys.meta_path.insert(0, _WithoutPandas())
    return run_service(NAME, serve)


def serve(settings: Settings, service: Service) -> None:
    """The body of the service."""
    collect_rarely()
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    verify_topics(settings)
    sink = Sink(settings.sink, KafkaFacts(settings), ClickHouseStore(settings.clickhouse), monotonic)
    service.ready_when(sink.checks)
    service.tell_status(sink.status)
    try:
        while not service.stopping.is_set():
            sink.turn()
        sink.flush()
    finally:
        sink.close()


if __name__ == "__main__":
    sys.exit(run())

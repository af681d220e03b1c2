"""The product's sink, with a note of when the insert of each session returned. `python -m tests.bench.timed_sink FILE`; the notes are written at its end."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

from services.runtime.clock import wall_ms
from services.runtime.kafka import verify_topics
from services.runtime.lifecycle import Service, run_service
from services.runtime.settings import Settings
from services.sink.clickhouse_store import ClickHouseStore
from services.sink.kafka import KafkaFacts
from services.sink.rows import Facts, Table
from services.sink.sink import Sink

_SESSIONS: Final = "billing_sessions"


class TimedStore(ClickHouseStore):
    """`inserted`: session → when its first insert returned."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.clickhouse)
        self.inserted: dict[str, int] = {}

    def insert(self, table: Table, facts: Facts) -> None:
        super().insert(table, facts)
        now_ms = wall_ms()
        if table.name == _SESSIONS:
            for columns in facts:
                for ident in columns[0]:
                    self.inserted.setdefault(str(ident), now_ms)


def serve(out: Path, settings: Settings, service: Service) -> None:
    verify_topics(settings)
    store = TimedStore(settings)
    sink = Sink(settings.sink, KafkaFacts(settings), store, monotonic)
    service.ready_when(sink.checks)
    try:
        while not service.stopping.is_set():
            sink.turn()
        sink.flush()
    finally:
        sink.close()
        out.write_bytes(msgspec.msgpack.encode(store.inserted))


if __name__ == "__main__":
    sys.exit(run_service("sink", partial(serve, Path(sys.argv[1]))))

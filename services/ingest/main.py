"""Start ingest: raw topics in, batches messages out. The work is in `ingest`, what is pure of it in `batcher`, Kafka in `kafka`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Final

from services.ingest.ingest import Ingest
from services.ingest.kafka import KafkaOutgoing, KafkaSource
from services.ingest.ports import Ports
from services.runtime.clock import SYSTEM_CLOCK
from services.runtime.garbage import collect_rarely
from services.runtime.kafka import partition_counts, verify_topics
from services.runtime.lifecycle import Service, end_now, run_service
from services.runtime.settings import Settings

NAME: Final = "ingest"


def run() -> int:
    """Work until SIGTERM or SIGINT, with the settings of the environment. Gives the exit code."""
    return run_service(NAME, serve)


def serve(settings: Settings, service: Service) -> None:
    """The body of the service."""
    collect_rarely()
    verify_topics(settings)
    source = KafkaSource(settings)
    ingest = Ingest(settings, partition_counts(settings.kafka), Ports(source, source, KafkaOutgoing(settings), SYSTEM_CLOCK, partial(end_now, NAME)))
    service.ready_when(ingest.checks)
    service.tell_status(ingest.status)
    try:
        while not service.stopping.is_set():
            ingest.poll()
        ingest.settle()
    finally:
        ingest.close()


if __name__ == "__main__":
    sys.exit(run())

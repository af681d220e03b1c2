"""How one simulated world is laid out and set: small numbers everywhere, so that limits are met often."""

from __future__ import annotations

from random import Random
from typing import Final

from services.events import topics
from services.runtime.settings import IngestSettings, KafkaSettings, ProcessorSettings, Settings, SinkSettings
from tests.simulation.judge import Shape

FACTS_PARTITIONS: Final = 2
PAGES: Final = 8


def settings_of(make: Random) -> Settings:
    """The product's settings, as a person could set them."""
    return Settings(
        kafka=KafkaSettings(batches_partitions=make.choice((2, 3)), facts_partitions=FACTS_PARTITIONS),
        ingest=IngestSettings(
            poll_events_max=make.choice((1, 3, 20)),
            poll_bytes_max=make.choice((400, 1_000_000)),
            in_flight_max=make.choice((1, 2, 4)),
            idle_after_s=make.choice((0.5, 3.0)),
            tick_s=make.choice((0.5, 2.0)),
        ),
        processors=ProcessorSettings(
            pages=PAGES,
            epoch_s=make.choice((0.1, 0.3, 1.0)),
            epoch_messages_max=make.choice((1, 3, 10)),
            epoch_state_bytes=make.choice((1, 300, 4_000_000)),
            unacked_messages_max=make.choice((3, 20)),
            session_timeout_s=6,
            stall_s=10,
        ),
        sink=SinkSettings(flush_ms=make.choice((20, 300)), flush_rows=make.choice((1, 7, 50)), retry_s_max=1.0),
    )


def shape_of(make: Random, settings: Settings) -> Shape:
    """Raw partitions, pages and batches partitions."""
    return Shape((make.choice((1, 2)), 1, 1, 1), settings.processors.pages, settings.kafka.batches_partitions, make.choice((0, 0, 5)))


def counts_of(shape: Shape) -> dict[str, int]:
    """Topic → partitions."""
    counts = dict(zip(topics.RAW_TOPICS, shape.raw, strict=True))
    return counts | {topics.BATCHES: shape.partitions} | dict.fromkeys(topics.FACT_TOPICS, FACTS_PARTITIONS)

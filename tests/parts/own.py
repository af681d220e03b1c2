"""What one suite has for itself on shared servers: a database that vanishes, topics that are made anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # the package exports it without saying so
from psycopg import sql
from psycopg.conninfo import make_conninfo

from services.events import topics
from services.runtime import clickhouse, postgres
from services.runtime.kafka import client_config, create_topics, topic_specs
from services.runtime.settings import ClickHouseSettings, KafkaSettings, PostgresSettings, Settings

_GONE_S: Final = 30.0
_LED_S: Final = 30.0
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]


@contextmanager
def own_clickhouse(server: ClickHouseSettings) -> Iterator[ClickHouseSettings]:
    """The server with an empty database of its own."""
    name = _name()
    client = clickhouse.connect(server, database="")
    client.command(f"CREATE DATABASE {name}")
    try:
        yield server.model_copy(update={"database": name})
    finally:
        client.command(f"DROP DATABASE {name} SYNC")
        client.close()


@contextmanager
def own_postgres(server: PostgresSettings) -> Iterator[PostgresSettings]:
    """The server with an empty database of its own."""
    name = _name()
    with postgres.connect(server) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield PostgresSettings.model_validate({"dsn": make_conninfo(server.dsn.get_secret_value(), dbname=name)})
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _name() -> str:
    return f"test_{uuid4().hex[:12]}"


def product_topics(kafka: KafkaSettings) -> list[str]:
    """The topics of the product that are there, state topics of any processor among them."""
    named = {*topics.RAW_TOPICS, topics.BATCHES, *topics.FACT_TOPICS}
    listed = AdminClient(client_config(kafka, "ERROR")).list_topics(timeout=15).topics
    return sorted(name for name in listed if name in named or name.endswith("-state-changelog"))


def make_topics(settings: Settings) -> None:
    """All topics of the product, empty, each partition with a leader: a broker tells of a topic a moment before it can be asked anything."""
    delete_topics(settings.kafka)
    create_topics(settings, lambda _line: None)
    admin = AdminClient(client_config(settings.kafka, "ERROR"))
    wanted = [TopicPartition(spec.name, partition) for spec in topic_specs(settings) for partition in range(spec.partitions)]
    deadline = time.monotonic() + _LED_S
    while wanted:
        asked = admin.list_offsets(dict.fromkeys(wanted, _LATEST))
        wanted = [place for place, future in asked.items() if isinstance(future.exception(), KafkaException)]
        assert time.monotonic() < deadline, f"no leader after {_LED_S:.0f} s: {wanted}"


def delete_topics(kafka: KafkaSettings, *names: str) -> None:
    """Delete these topics, or all of the product, and wait until they are gone. Their names are the product's, so each suite begins by this."""
    admin = AdminClient(client_config(kafka, "ERROR"))
    present = list(names) or product_topics(kafka)
    for future in admin.delete_topics(present, operation_timeout=_GONE_S).values() if present else ():
        future.result(_GONE_S)
    deadline = time.monotonic() + _GONE_S
    while set(admin.list_topics(timeout=15).topics) & set(present):
        assert time.monotonic() < deadline, f"topics are still there after {_GONE_S:.0f} s: {present}"
        time.sleep(0.02)

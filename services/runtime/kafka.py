"""Kafka for our own clients: connection settings, and the topics with the settings they need.

Rule: topics are made beforehand, from one list; a service that finds one missing or wrong ends with its name and the way out.
Limit: confluent-kafka only (the processors' engine brings its own client); configurations of topics that others made are changed only by `create_topics`.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package exports these without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from services.events import topics
from services.runtime.errors import ServiceError, Unavailable
from services.runtime.settings import KafkaSettings, Settings

Say = Callable[[str], None]

TIMEOUT_S: Final = 15.0
REPEAT_AFTER_S: Final = 60.0
LINES_MAX: Final = 1_000
_DIGITS: Final = re.compile(r"[0-9]+")

RAW_MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Larger than any event may be (E1), so that an event that is too large lands, and is refused and counted by ingest instead of vanishing at its sender."""
BATCH_MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
STATE_MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
"""The seats of a workspace are one record: a login of the last 49 h takes 40 bytes of it, so that a million and a half of them fit."""

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_OPEN: Final = str(2**63 - 1)

_SYSLOG_LEVELS: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3}


class TopicsError(ServiceError):
    """Topics are missing or have the wrong shape. `str()` names each, and the way out."""

    exit_code = Unavailable.exit_code


def client_config(kafka: KafkaSettings, log_level: str = "WARNING") -> dict[str, Any]:
    """What every confluent-kafka client starts from. librdkafka's own lines go to the logger `kafka.client` (served by `poll`), never to stderr."""
    config: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "security.protocol": kafka.security_protocol,
        "logger": client_logger(),
        "log_level": _SYSLOG_LEVELS[log_level],
        # A broker that restarts is back within seconds; the default of 10 s would add to it. The default of 100 ms at the other end
        # makes a consumer whose broker is away try 20 times a second (measured), and say so.
        "reconnect.backoff.ms": 500,
        "reconnect.backoff.max.ms": 2_000,
        # A connection that the other side has forgotten never answers: with the default of 60 s ingest and the facts stood still for most of it (measured).
        "socket.timeout.ms": 15_000,
        "socket.keepalive.enable": True,
    }
    if kafka.security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = kafka.sasl_mechanism
        config["sasl.username"] = kafka.sasl_username
        config["sasl.password"] = kafka.sasl_password.get_secret_value()
    if kafka.ssl_ca_location:
        config["ssl.ca.location"] = kafka.ssl_ca_location
    return config


READ_ON: Final = {
    # After a partition's queue was full (100,000 records) librdkafka fetches nothing of it for a second by default, and who reads faster stands still
    # for most of it: ingest alone read 160,000 events a second where it can read 416,000, on a processor that was half idle.
    "fetch.queue.backoff.ms": 20,
}
_TOGETHER: Final = {
    # A fetch waits this long for so much: by default the brokers answer as soon as there is a byte, and at 10,000 events a second most of what they do is
    # answering fetches (21 and then 14 µs of the broker's processor time an event, 5.1 and 3.8 of ingest's; two rounds in turn).
    "fetch.wait.max.ms": 50,
    "fetch.min.bytes": 100_000,
}


def consumer_config(kafka: KafkaSettings, log_level: str, group_id: str, instance: str, session_timeout_ms: int) -> dict[str, Any]:
    """What every consumer of a service starts from: it commits by itself, and an offset that is gone is heard of, not skipped (B1.22)."""
    return client_config(kafka, log_level) | {
        **READ_ON,
        **_TOGETHER,
        "group.id": group_id,
        "session.timeout.ms": session_timeout_ms,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        **({"group.instance.id": instance} if instance else {}),
    }


class _OnceInAWhile(logging.Filter):
    """Lets a line through unless the same one was let through within `REPEAT_AFTER_S`; digits do not make lines differ."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line = _DIGITS.sub("", record.getMessage())
        now = time.monotonic()
        if now - self._told_at.get(line, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            return False
        if len(self._told_at) > LINES_MAX:
            self._told_at.clear()
        self._told_at[line] = now
        return True


def client_logger() -> logging.Logger:
    """The logger of librdkafka's own lines: a broker that is away is worth a line now and then, not one an attempt."""
    logger = logging.getLogger("kafka.client")
    if not logger.filters:
        logger.addFilter(_OnceInAWhile())
    return logger


@dataclass(frozen=True, slots=True)
class TopicSpec:
    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    partitions_setting: str = ""
    """The setting that must agree with the number of partitions; empty: any number will do."""


def state_topic(settings: Settings) -> str:
    """The changelog topic of the processors' state table, named as Faust names it."""
    return f"{settings.processors_group}-state-changelog"


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of the product, as it should be."""
    kafka = settings.kafka
    specs = [TopicSpec(name, kafka.raw_partitions, _RAW) for name in topics.RAW_TOPICS]
    specs.append(TopicSpec(topics.BATCHES, kafka.batches_partitions, _BATCHES, "QUARTERHOUR_KAFKA__BATCHES_PARTITIONS"))
    specs.append(TopicSpec(state_topic(settings), kafka.batches_partitions, _STATE, "QUARTERHOUR_KAFKA__BATCHES_PARTITIONS"))
    for name in topics.FACT_TOPICS:
        specs.append(TopicSpec(name, kafka.facts_partitions, _LEDGER if name == topics.LEDGER else _FACTS, "QUARTERHOUR_KAFKA__FACTS_PARTITIONS"))
    return specs


_RAW: Final = {
    "cleanup.policy": "delete",
    # History is written with its own log times: deleting by time would delete it at once (DESIGN §2).
    "retention.ms": "-1",
    # A segment is rolled when log times span more than this: years of history would make thousands of tiny ones.
    "segment.ms": str(3650 * _DAY_MS),
    "max.message.bytes": str(RAW_MESSAGE_BYTES_MAX),
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": _OPEN,
    "message.timestamp.after.max.ms": _OPEN,
}
_BATCHES: Final = {
    # Without holes (no compaction, no transactions): a processor takes a missing offset for a lost message (DESIGN §2).
    "cleanup.policy": "delete",
    "retention.ms": str(7 * _DAY_MS),
    "max.message.bytes": str(BATCH_MESSAGE_BYTES_MAX),
    # Retention counts from when it was written, whatever a producer says.
    "message.timestamp.type": "LogAppendTime",
}
_STATE: Final = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(STATE_MESSAGE_BYTES_MAX),
    # A record that a paused worker appended late must not erase the newer one below it before recovery could choose (DESIGN §2, guard 3).
    "min.compaction.lag.ms": str(_HOUR_MS),
    "message.timestamp.type": "LogAppendTime",
    # Only closed segments are compacted: small ones keep a recovery short.
    "segment.bytes": str(64 * 1024 * 1024),
    "segment.ms": str(_HOUR_MS),
    "min.cleanable.dirty.ratio": "0.2",
}
_FACTS: Final = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(_HOUR_MS)}
# The same few lines again every five seconds: small segments, so that who reads the ledger reads an hour of it and not a week (`quarterhour verify`).
_LEDGER: Final = {**_FACTS, "segment.ms": str(_HOUR_MS), "min.cleanable.dirty.ratio": "0.2"}


def create_topics(settings: Settings, say: Say) -> None:
    """Make what is missing and set the configurations that differ; what is right is left alone, so it may run at any time.

    A generation that has no state topic yet is new: it meters the raw log anew, so what the former one left in the batches topic is deleted first.
    Raises `Unavailable` without a broker, `TopicsError` when an existing topic has another number of partitions than the settings say.
    """
    admin = _admin(settings.kafka)
    found = _partition_counts(admin, settings.kafka)
    specs = topic_specs(settings)
    missing = [spec for spec in specs if spec.name not in found]
    if settings.processors.generation > 1 and state_topic(settings) not in found and topics.BATCHES in found:
        _empty(admin, topics.BATCHES, found[topics.BATCHES], say)
    _create(admin, missing, settings.kafka, say)
    _configure(admin, [spec for spec in specs if spec.name in found], say)
    say(f"topics: {len(missing)} created, {len(specs) - len(missing)} were there")
    _require([problem for spec in specs if spec.name in found for problem in _shape_problems(spec, found)])


def verify_topics(settings: Settings) -> None:
    """Raises `TopicsError` naming each topic that is missing or has the wrong number of partitions, and how to mend it; `Unavailable` without a broker."""
    found = _partition_counts(_admin(settings.kafka), settings.kafka)
    _require([problem for spec in topic_specs(settings) for problem in _shape_problems(spec, found)])


def configuration_differences(settings: Settings) -> list[str]:
    """One line for each configuration of an existing topic that is not as it should be."""
    admin = _admin(settings.kafka)
    found = _partition_counts(admin, settings.kafka)
    specs = [spec for spec in topic_specs(settings) if spec.name in found]
    return [f"{spec.name}: {key} is {now}, should be {spec.config[key]}" for spec, key, now in _differences(admin, specs)]


def require_configurations(differences: list[str]) -> None:
    """Raises `TopicsError` when there are any."""
    _require([f"{difference}: run `quarterhour topics create`." for difference in differences])


def partition_counts(kafka: KafkaSettings) -> dict[str, int]:
    """Topic -> number of partitions, of all topics of the cluster. Raises `Unavailable`."""
    return _partition_counts(_admin(kafka), kafka)


def _admin(kafka: KafkaSettings) -> AdminClient:
    return AdminClient(client_config(kafka, "ERROR"))


def _partition_counts(admin: AdminClient, kafka: KafkaSettings) -> dict[str, int]:
    try:
        listed = admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise Unavailable(
            f"No Kafka broker answered at {kafka.bootstrap_servers} within {TIMEOUT_S:.0f} s ({error.args[0].str()}). "
            f"Start the local stack with `quarterhour up`, or set QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS (and the protocol) to your brokers."
        ) from error
    return {name: len(topic.partitions) for name, topic in listed.items()}


def _empty(admin: AdminClient, topic: str, partitions: int, say: Say) -> None:
    """Delete every record; offsets go on."""
    asked = admin.delete_records([TopicPartition(topic, partition, OFFSET_END) for partition in range(partitions)], request_timeout=TIMEOUT_S)
    for future in asked.values():
        try:
            future.result()
        except KafkaException as error:
            raise TopicsError(f"{topic} could not be emptied for the new generation: {error.args[0].str()}. Try again.") from error
    say(f"topic {topic}: emptied for a new generation")


def _create(admin: AdminClient, specs: list[TopicSpec], kafka: KafkaSettings, say: Say) -> None:
    if not specs:
        return
    replicas = kafka.replication_factor
    in_sync = {"min.insync.replicas": "2"} if replicas >= 3 else {}
    new = [NewTopic(spec.name, spec.partitions, replicas, config={**spec.config, **in_sync}) for spec in specs]
    for name, future in admin.create_topics(new, operation_timeout=TIMEOUT_S).items():
        try:
            future.result()
            say(f"topic {name}: created")
        except KafkaException as error:
            # Two `up` at once: the other one made it.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicsError(
                    f"Topic {name} could not be created: {error.args[0].str()}. Create it by hand with the configuration of `quarterhour topics list`."
                ) from error


def _configure(admin: AdminClient, specs: list[TopicSpec], say: Say) -> None:
    changes: dict[str, ConfigResource] = {}
    for spec, key, now in _differences(admin, specs):
        resource = changes.setdefault(spec.name, ConfigResource(ResourceType.TOPIC, spec.name))
        resource.add_incremental_config(ConfigEntry(key, spec.config[key], incremental_operation=AlterConfigOpType.SET))
        say(f"topic {spec.name}: {key} {now} -> {spec.config[key]}")
    if changes:
        for future in admin.incremental_alter_configs(list(changes.values())).values():
            future.result()


def _differences(admin: AdminClient, specs: list[TopicSpec]) -> Iterator[tuple[TopicSpec, str, str]]:
    by_name = {spec.name: spec for spec in specs}
    if not by_name:
        return
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in by_name])
    for resource, future in asked.items():
        spec, entries = by_name[resource.name], future.result()
        for key, value in spec.config.items():
            if entries[key].value != value:
                yield spec, key, entries[key].value


def _shape_problems(spec: TopicSpec, found: Mapping[str, int]) -> Iterator[str]:
    count = found.get(spec.name)
    if count is None:
        yield f"{spec.name} is missing: run `quarterhour topics create`."
    elif spec.partitions_setting and count != spec.partitions:
        yield (
            f"{spec.name} has {count} partitions, the settings say {spec.partitions}: set {spec.partitions_setting}={count}"
            f"{', or rebuild into new topics with a new generation' if spec.name == topics.BATCHES else ''}."
        )


def _require(problems: list[str]) -> None:
    if problems:
        raise TopicsError("\n".join(["Kafka's topics are not as they should be:", *(f"  {problem}" for problem in problems)]))

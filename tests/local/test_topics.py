"""Topics on a real broker: made once, set right again, checked by name; and what the raw topics must accept."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]  # the package exports these without saying so

from services.events import topics
from services.runtime.errors import Unavailable
from services.runtime.kafka import (
    TopicsError,
    client_config,
    configuration_differences,
    create_topics,
    partition_counts,
    state_topic,
    topic_specs,
    verify_topics,
)
from services.runtime.lag import group_lags
from services.runtime.settings import KafkaSettings, Settings, environment_of, read_settings
from tests.parts.own import make_topics


@pytest.fixture(scope="module")
def empty(kafka: KafkaSettings) -> KafkaSettings:
    make_topics(Settings(kafka=kafka))
    return kafka


@pytest.fixture
def made(empty: KafkaSettings, said: list[str]) -> Settings:
    settings = Settings(kafka=empty)
    create_topics(settings, said.append)
    return settings


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.1)


def with_settings(settings: Settings, **more: str) -> Settings:
    return read_settings(environment_of(settings) | more)


def test_every_topic_is_made_and_a_second_time_changes_nothing(made: Settings, said: list[str]) -> None:
    counts = partition_counts(made.kafka)
    assert {spec.name: spec.partitions for spec in topic_specs(made)}.items() <= counts.items()
    said.clear()
    create_topics(made, said.append)
    assert said == [f"topics: 0 created, {len(topic_specs(made))} were there"]
    verify_topics(made)


def test_a_configuration_that_was_changed_is_named_and_set_right(made: Settings, said: list[str]) -> None:
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType  # type: ignore[attr-defined]

    admin = AdminClient(client_config(made.kafka))
    wrong = ConfigResource(ResourceType.TOPIC, topics.BATCHES)
    wrong.add_incremental_config(ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET))
    for future in admin.incremental_alter_configs([wrong]).values():
        future.result()
    # The broker tells a change a moment after it was made.
    eventually(lambda: configuration_differences(made) == [f"{topics.BATCHES}: cleanup.policy is compact, should be delete"])
    create_topics(made, said.append)
    eventually(lambda: configuration_differences(made) == [])


def test_a_missing_topic_is_named_with_the_command_that_makes_it(made: Settings) -> None:
    other = with_settings(made, QUARTERHOUR_PROCESSORS__APP_ID="another")
    with pytest.raises(TopicsError, match="another-state-changelog is missing: run `quarterhour topics create`"):
        verify_topics(other)


def test_another_number_of_partitions_is_named_with_the_setting(made: Settings) -> None:
    with pytest.raises(TopicsError, match=f"{topics.BATCHES} has 8 partitions, the settings say 3: set QUARTERHOUR_KAFKA__BATCHES_PARTITIONS=8"):
        verify_topics(with_settings(made, QUARTERHOUR_KAFKA__BATCHES_PARTITIONS="3"))


def test_raw_topics_may_have_any_number_of_partitions(made: Settings) -> None:
    admin = AdminClient(client_config(made.kafka))
    admin.create_partitions([NewPartitions(topics.AGENTS, 6)])[topics.AGENTS].result(15)
    verify_topics(made)


def test_the_state_topic_is_named_as_faust_names_it() -> None:
    assert state_topic(Settings()) == "quarterhour-processors-state-changelog"


@pytest.mark.parametrize("log_time_ms", [915_148_800_000, 4_102_444_800_000], ids=["1999", "2100"])
def test_a_raw_topic_takes_any_log_time(made: Settings, log_time_ms: int) -> None:
    producer = Producer(client_config(made.kafka))
    errors: list[object] = []
    producer.produce(topics.VOICE, b"{}", partition=0, timestamp=log_time_ms, on_delivery=lambda error, _message: errors.append(error))
    producer.flush(15)
    assert errors == [None]


def test_a_record_of_5_mb_lands_in_a_raw_topic(made: Settings) -> None:
    producer = Producer({**client_config(made.kafka), "message.max.bytes": 16 * 1024 * 1024})
    errors: list[object] = []
    producer.produce(topics.VOICE, b"x" * 5_000_000, on_delivery=lambda error, _message: errors.append(error))
    producer.flush(15)
    assert errors == [None]


def test_lag_counts_what_a_group_has_not_committed(made: Settings) -> None:
    group = f"lag-{uuid4().hex[:8]}"
    producer = Producer(client_config(made.kafka))
    for _ in range(5):
        producer.produce(topics.ALERTS, b"{}", partition=1)
    producer.flush(15)
    consumer = Consumer({**client_config(made.kafka), "group.id": group})
    consumer.commit(offsets=[TopicPartition(topics.ALERTS, 1, 3)], asynchronous=False)
    consumer.close()
    lags = group_lags(made.kafka, {group: [topics.ALERTS], "newcomer": [topics.ALERTS]})
    assert lags[group][(topics.ALERTS, 1)] == 2
    assert lags["newcomer"][(topics.ALERTS, 1)] == 5
    assert lags[group][(topics.ALERTS, 0)] == 0


def test_without_a_broker_the_error_says_where_it_looked_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.runtime.kafka.TIMEOUT_S", 1.0)
    nowhere = read_settings({"QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1.*quarterhour up"):
        verify_topics(nowhere)


def test_the_password_is_in_the_clients_settings_and_nowhere_else() -> None:
    secure = read_settings(
        {
            "QUARTERHOUR_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
            "QUARTERHOUR_KAFKA__SASL_USERNAME": "meter",
            "QUARTERHOUR_KAFKA__SASL_PASSWORD": "geheim",
            "QUARTERHOUR_KAFKA__SSL_CA_LOCATION": "/ca.pem",
        }
    )
    config = client_config(secure.kafka)
    assert (config["sasl.password"], config["ssl.ca.location"]) == ("geheim", "/ca.pem")
    assert "geheim" not in repr(secure)

"""What librdkafka says reaches the log, once: a broker that is away must not fill it."""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import Consumer

from services.runtime.kafka import client_config, client_logger
from services.runtime.settings import read_settings


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("kafka.client"), "filters", [])


def test_a_broker_that_is_away_is_told_once_and_never_on_stderr(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    settings = read_settings({"QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    consumer = Consumer({**client_config(settings.kafka), "group.id": "nobody"})
    consumer.subscribe(["nothing"])
    with caplog.at_level(logging.DEBUG, logger="kafka.client"):
        for _ in range(20):
            consumer.consume(10, timeout=0.1)
    consumer.close()
    assert len([record for record in caplog.records if "Connection refused" in record.getMessage()]) == 1
    assert "rdkafka" not in capfd.readouterr().err


def test_lines_that_differ_in_more_than_digits_are_both_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="kafka.client"):
        for line in ("first after 5 ms", "second", "first after 7 ms"):
            client_logger().info(line)
    assert [record.getMessage() for record in caplog.records] == ["first after 5 ms", "second"]

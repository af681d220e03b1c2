"""The real broker: starts, keeps its data over a kill, refuses a second broker on its directory, and says what is wrong with a damaged one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # the package exports these without saying so

from services.local.kafka import start_kafka
from services.local.part import PartError
from tests.parts.ports import free_port

WAIT_S = 60
PORT = free_port(6)
CONTROLLER = PORT + 1
BROKER = f"127.0.0.1:{PORT}"
ADDRESS: dict[str, str | int | float | bool] = {"bootstrap.servers": BROKER}
ASK = """
from services.runtime.committed import Committed
from services.runtime.settings import read_settings
with Committed(read_settings().kafka) as committed:
    assert committed.of("newcomer", [("kept", 0)]) == {}
"""


def write(topic: str, value: bytes) -> None:
    producer = Producer(ADDRESS)
    producer.produce(topic, value)
    assert producer.flush(WAIT_S) == 0


def read(topic: str) -> list[bytes | None]:
    consumer = Consumer({**ADDRESS, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[bytes | None] = []
    deadline = time.monotonic() + WAIT_S
    while not found and time.monotonic() < deadline:
        # A broker that has just begun may say for a moment that it knows no such topic.
        found = [message.value() for message in consumer.consume(1, timeout=1.0) if message.error() is None]
    consumer.close()
    return found


def test_a_record_survives_a_kill_of_the_broker(home: Path, said: list[str]) -> None:
    with start_kafka(home, PORT, CONTROLLER, said.append) as broker:
        admin = AdminClient(ADDRESS)
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(WAIT_S)
        write("kept", b"value")
        broker.kill()
    with start_kafka(home, PORT, CONTROLLER, said.append) as broker:
        assert read("kept") == [b"value"]
    assert broker.process.poll() is not None


def test_a_broker_that_never_had_a_group_is_asked_for_commits_in_a_process_that_survives(home: Path, said: list[str]) -> None:
    with start_kafka(home, PORT, CONTROLLER, said.append):
        admin = AdminClient(ADDRESS)
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(WAIT_S)
        asked = subprocess.run([sys.executable, "-c", ASK], env=os.environ | {"QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS": BROKER}, check=False)
    assert asked.returncode == 0


def test_a_second_broker_on_the_same_directory_is_refused_with_the_way_out(home: Path, said: list[str]) -> None:
    with (
        start_kafka(home, PORT, CONTROLLER, said.append),
        pytest.raises(PartError, match="Another kafka runs on"),
    ):
        start_kafka(home, PORT + 4, CONTROLLER + 4, said.append)


def test_a_directory_that_lost_its_metadata_is_refused_with_the_way_out(home: Path, said: list[str]) -> None:
    (home / "logs" / "platform.voice-0").mkdir(parents=True)
    with pytest.raises(PartError, match=r"holds no meta\.properties.*move it away"):
        start_kafka(home, PORT, CONTROLLER, said.append)


def test_damaged_metadata_is_named_with_the_way_out(home: Path, said: list[str]) -> None:
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "meta.properties").write_text("garbage")
    with pytest.raises(PartError, match=r"meta\.properties .* is damaged: restore it"):
        start_kafka(home, PORT, CONTROLLER, said.append)


def test_a_format_that_was_interrupted_is_done_again(home: Path, said: list[str]) -> None:
    (home / "logs.formatting").mkdir(parents=True)
    (home / "logs.formatting" / "meta.properties").write_text("half")
    start_kafka(home, PORT, CONTROLLER, said.append).stop()
    assert not (home / "logs.formatting").exists()


def test_a_taken_port_is_named_before_anything_starts(home: Path, said: list[str]) -> None:
    with start_kafka(home, PORT, CONTROLLER, said.append), pytest.raises(PartError, match=f"Port {PORT}, which kafka needs"):
        start_kafka(home / "other", PORT, CONTROLLER, said.append)


@pytest.mark.parametrize("name", ["one, two", "back\\slash"])
def test_a_directory_whose_name_kafka_would_misread_is_refused(home: Path, said: list[str], name: str) -> None:
    with pytest.raises(PartError, match="no comma and no backslash"):
        start_kafka(home / name, PORT, CONTROLLER, said.append)

"""The parts that tests share, each started once a run and only when a test asks for it: `kafka`, `clickhouse`, `postgres` (tests/README.md)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TypeVar

import hypothesis
import pytest

from services.runtime.settings import PREFIX, ClickHouseSettings, KafkaSettings, PostgresSettings, Settings, read_settings
from tests.parts import containers, local
from tests.parts.choice import NAMED_BY, Choice, PartName, choose
from tests.parts.examples import examples
from tests.parts.own import delete_topics, product_topics

Group = TypeVar("Group", KafkaSettings, ClickHouseSettings, PostgresSettings)

_GIVEN = {name: text for name, text in os.environ.items() if name.startswith(PREFIX)}

hypothesis.settings.register_profile("quarterhour", deadline=None, print_blob=True, max_examples=examples(100))
hypothesis.settings.load_profile("quarterhour")


def pytest_configure(config: pytest.Config) -> None:
    """What the environment sets names the parts and changes nothing else: neither tests nor what they start see it."""
    shared = [name for name in NAMED_BY.values() if name in _GIVEN]
    if shared and hasattr(config, "workerinput"):
        pytest.exit(f"Several workers would delete each other's topics: run without -n, or without {', '.join(shared)}.", 4)
    # Ended by `timeout` or a CI that gives up: stop the parts all the same, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not config.getoption("numprocesses", None):
        for name in _GIVEN:
            del os.environ[name]


def pytest_report_header() -> list[str]:
    return [f"{part}: {_choice(part)}" for part in NAMED_BY]


@cache
def _choice(part: PartName) -> Choice:
    return choose(part, _GIVEN, _docker())


@cache
def _docker() -> containers.Docker:
    return containers.Docker()


@cache
def _given() -> Settings:
    return read_settings(_GIVEN)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaSettings]:
    """A broker. Topics have the product's names: who needs them makes them anew (`tests.parts.own.delete_topics`)."""
    yield from _started("kafka", _given_kafka, containers.kafka_container, local.local_kafka)


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickHouseSettings]:
    """A server. Take a database of your own on it (`tests.parts.own.own_clickhouse`)."""
    yield from _started("clickhouse", _given_clickhouse, containers.clickhouse_container, local.local_clickhouse)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresSettings]:
    """A server. Take a database of your own on it (`tests.parts.own.own_postgres`)."""
    yield from _started("postgres", _given_postgres, containers.postgres_container, local.local_postgres)


def _started(part: PartName, given: Callable[[], AbstractContextManager[Group]], *others: Callable[[], AbstractContextManager[Group]]) -> Iterator[Group]:
    container, local_part = others
    start = {"given": given, "container": container, "local": local_part}[_choice(part).source]
    with start() as settings:
        yield settings


@contextmanager
def _given_kafka() -> Iterator[KafkaSettings]:
    kafka = _given().kafka
    if found := product_topics(kafka):
        pytest.exit(f"The tests delete topics, and {kafka.bootstrap_servers} has {', '.join(found)}: name a broker without them, or delete them.", 4)
    yield kafka
    delete_topics(kafka)


@contextmanager
def _given_clickhouse() -> Iterator[ClickHouseSettings]:
    yield _given().clickhouse


@contextmanager
def _given_postgres() -> Iterator[PostgresSettings]:
    yield _given().postgres

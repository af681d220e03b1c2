"""The parts as containers, by testcontainers: the images that `deploy/compose.yaml` runs.

Rule: whether a container can be had is asked of the daemon, quickly and once, before anything is started.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from services.local.kafka import PROPERTIES
from services.runtime import clickhouse, postgres
from services.runtime.errors import Unavailable
from services.runtime.kafka import partition_counts
from services.runtime.settings import ClickHouseSettings, KafkaSettings, PostgresSettings
from tests.parts.choice import IMAGES
from tests.parts.ports import free_port

if TYPE_CHECKING:
    from docker import DockerClient  # type: ignore[import-untyped]
    from testcontainers.core.container import DockerContainer

_ASK_S: Final = 10
_READY_S: Final = 120.0
_SOCKET: Final = "/var/run/docker.sock"


class Docker:
    """The daemon of this machine, or of DOCKER_HOST."""

    def __init__(self) -> None:
        self._client, self._why_not = _daemon()

    def why_not(self, image: str) -> str:
        if self._client is None:
            return self._why_not
        from docker.errors import DockerException  # type: ignore[import-untyped]
        from requests.exceptions import RequestException

        try:
            if not self._client.images.list(name=image):
                self._client.images.get_registry_data(image)
        except (DockerException, RequestException) as error:
            return f"Docker has no {image} and cannot pull it: {_first_line(error)}"
        return ""


def _daemon() -> tuple[DockerClient | None, str]:
    if "DOCKER_HOST" not in os.environ and not os.path.exists(_SOCKET):
        return None, "no Docker daemon"
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=_ASK_S)
        client.ping()
    except DockerException as error:
        return None, f"the Docker daemon does not answer: {_first_line(error)}"
    return client, ""


@contextmanager
def kafka_container() -> Iterator[KafkaSettings]:
    from testcontainers.core.docker_client import DockerClient

    # The broker tells its clients its address, so that must be known before it starts.
    host, port = DockerClient().host(), free_port()
    with _running(IMAGES["kafka"], kafka_environment(host, port), 9092, port):
        settings = KafkaSettings(bootstrap_servers=f"{host}:{port}")
        _wait_until(lambda: partition_counts(settings) is not None)
        yield settings


def kafka_environment(host: str, port: int) -> dict[str, str]:
    """The properties of the local broker, as the image takes them; clients reach it at `host`:`port`."""
    text = PROPERTIES.format(port=9092, controller_port=9093, log_dir="/tmp/kraft", message_bytes_max=16 * 1024 * 1024)
    properties = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    properties |= {"listeners": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093", "advertised.listeners": f"PLAINTEXT://{host}:{port}"}
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in properties.items()} | {"KAFKA_HEAP_OPTS": "-Xms128m -Xmx1g"}


@contextmanager
def clickhouse_container() -> Iterator[ClickHouseSettings]:
    password = secrets.token_urlsafe(12)
    environment = {"CLICKHOUSE_USER": "tests", "CLICKHOUSE_PASSWORD": password, "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1"}
    with _running(IMAGES["clickhouse"], environment, 8123) as (host, port):
        settings = ClickHouseSettings.model_validate({"url": f"http://{host}:{port}", "user": "tests", "password": password})
        clickhouse.wait_ready(settings, _READY_S)
        yield settings


@contextmanager
def postgres_container() -> Iterator[PostgresSettings]:
    password = secrets.token_urlsafe(12)
    with _running(IMAGES["postgres"], {"POSTGRES_PASSWORD": password}, 5432) as (host, port):
        settings = PostgresSettings.model_validate({"dsn": f"postgresql://postgres:{password}@{host}:{port}/postgres"})
        _wait_until(lambda: postgres.has_database(settings))
        yield settings


@contextmanager
def _running(image: str, environment: dict[str, str], inside: int, outside: int | None = None) -> Iterator[tuple[str, int]]:
    """A container, and the host and port that lead to its port `inside`."""
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    # The helper container that cleans up after a killed run is one more image: without it the run cleans up itself.
    testcontainers_config.ryuk_disabled = bool(Docker().why_not(testcontainers_config.ryuk_image))
    container: DockerContainer = DockerContainer(image).with_envs(**environment).with_bind_ports(inside, outside)
    with container:
        yield container.get_container_host_ip(), int(container.get_exposed_port(inside))


def _wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            if ready():
                return
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:150]

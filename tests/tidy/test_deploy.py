"""deploy/compose.yaml names settings, commands and images that exist, and publishes nothing but the query service, on loopback."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from services.cli.serve import Room
from services.runtime.settings import PREFIX, Settings, read_settings
from tests.parts.choice import IMAGES
from tests.tidy.tree import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "quarterhour"]
ROOMS = [room.value for room in Room]


def settings_of(name: str) -> Settings:
    """As the process in the container reads them."""
    environment = {key: re.sub(r"\$\{[^}]*\}", "secret", str(text)) for key, text in SERVICES[name]["environment"].items()}
    assert all(key.startswith(PREFIX) for key in environment)
    return read_settings(environment)


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_reads_its_settings(name: str) -> None:
    settings = settings_of(name)
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.clickhouse.url == "http://clickhouse:8123"
    assert settings.postgres.dsn.get_secret_value() == "postgresql://quarterhour:secret@postgres:5432/quarterhour"


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_is_served_by_its_command_and_watched_where_it_listens(name: str) -> None:
    assert SERVICES[name]["command"] == ["serve", Room(name).value]
    settings = settings_of(name)
    port = settings.query.port if name == "query" else settings.metrics.port
    assert f"http://127.0.0.1:{port}/readyz" in SERVICES[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("part", IMAGES)
def test_a_part_is_the_image_that_the_tests_run(part: str) -> None:
    assert SERVICES[part]["image"] == {str(name): image for name, image in IMAGES.items()}[part]


def test_only_the_query_service_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    port = settings_of("query").query.port
    assert published == {"query": [f"127.0.0.1:{port}:{port}"]}


def test_passwords_come_from_outside() -> None:
    text = (ROOT / "deploy" / "compose.yaml").read_text()
    assert [line for line in text.splitlines() if re.search(r"PASSWORD:", line) and "${" not in line] == []


def test_what_a_build_copies_is_there_and_not_ignored() -> None:
    dockerfile, ignore = ((ROOT / "deploy" / name).read_text() for name in ("Dockerfile", "Dockerfile.dockerignore"))
    copied = {source for line in re.findall(r"^COPY (?!--)(.*)$", dockerfile, re.MULTILINE) for source in line.split()[:-1]}
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    assert copied == {line[1:] for line in ignore.splitlines() if line.startswith("!")}


def test_volumes_and_dependencies_are_declared() -> None:
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert mounted == COMPOSE["volumes"].keys()
    assert {name for service in SERVICES.values() for name in service.get("depends_on", {})} <= SERVICES.keys()

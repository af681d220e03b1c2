"""Which parts a run uses: what the environment names, else containers, else local ones; and what a daemon has to answer for containers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.parts import containers
from tests.parts.choice import IMAGES, NAMED_BY, Choice, PartName, choose
from tests.parts.containers import Docker, kafka_environment

PARTS: list[PartName] = ["kafka", "clickhouse", "postgres"]


class Daemon(ThreadingHTTPServer):
    """As much of Docker's API as the choice asks; `held` are its images, `reachable` those of the registry."""

    held: tuple[str, ...] = ()
    reachable: tuple[str, ...] = ()


class Answers(BaseHTTPRequestHandler):
    server: Daemon

    def do_GET(self) -> None:
        path = self.path.partition("/v1.44")[2] or self.path
        if path.endswith("/version"):
            self._answer(200, {"ApiVersion": "1.44"})
        elif path.startswith("/images/json"):
            self._answer(200, [{"Id": f"sha256:{number}"} for number, image in enumerate(self.server.held) if image.replace("/", "%2F").split(":")[0] in path])
        elif path.startswith("/images/"):
            self._answer(200, {"Id": "sha256:0"})
        elif path.startswith("/distribution/"):
            found = any(image in path for image in self.server.reachable)
            self._answer(200 if found else 500, {"Descriptor": {}, "message": "" if found else "no route to the registry"})
        else:
            self._answer(200, "OK")

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def daemon(monkeypatch: pytest.MonkeyPatch, held: tuple[str, ...] = (), reachable: tuple[str, ...] = ()) -> Iterator[Docker]:
    with Daemon(("127.0.0.1", 0), Answers) as server:
        server.held, server.reachable = held, reachable
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_address[1]}")
        yield Docker()
        server.shutdown()


@pytest.mark.parametrize("part", PARTS)
def test_an_address_in_the_environment_wins_over_a_daemon_that_has_the_image(part: PartName, monkeypatch: pytest.MonkeyPatch) -> None:
    with daemon(monkeypatch, held=tuple(IMAGES.values())) as docker:
        assert choose(part, {NAMED_BY[part]: "somewhere"}, docker) == Choice("given", NAMED_BY[part])


@pytest.mark.parametrize("part", PARTS)
def test_without_an_address_an_image_that_the_daemon_has_is_run(part: PartName, monkeypatch: pytest.MonkeyPatch) -> None:
    with daemon(monkeypatch, held=(IMAGES[part],)) as docker:
        assert choose(part, {}, docker) == Choice("container", IMAGES[part])


@pytest.mark.parametrize("part", PARTS)
def test_an_image_that_the_daemon_can_pull_is_run_too(part: PartName, monkeypatch: pytest.MonkeyPatch) -> None:
    with daemon(monkeypatch, reachable=(IMAGES[part],)) as docker:
        assert choose(part, {}, docker).source == "container"


@pytest.mark.parametrize("part", PARTS)
def test_a_daemon_that_can_get_no_image_is_not_used_and_the_header_says_why(part: PartName, monkeypatch: pytest.MonkeyPatch) -> None:
    with daemon(monkeypatch) as docker:
        choice = choose(part, {}, docker)
    assert choice.source == "local"
    assert f"Docker has no {IMAGES[part]}" in str(choice)


def test_a_daemon_that_does_not_answer_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert choose("kafka", {}, Docker()).why.startswith("the Docker daemon does not answer")


def test_a_machine_without_docker_is_served_by_the_local_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(containers, "_SOCKET", "/nowhere/docker.sock")
    assert choose("kafka", {}, Docker()) == Choice("local", "no Docker daemon")


def test_the_container_of_kafka_has_the_properties_of_the_local_broker_and_tells_the_port_outside() -> None:
    environment = kafka_environment("docker.example", 24_567)
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://docker.example:24567"
    assert environment["KAFKA_LISTENERS"].startswith("PLAINTEXT://0.0.0.0:9092,")

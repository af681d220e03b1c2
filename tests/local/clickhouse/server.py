"""A server of the local ClickHouse for tests, in a process of its own, and ways to speak to it."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from tests.parts.ports import free_port


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Message

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str | None:
        return self.headers.get("X-ClickHouse-Exception-Code")


@dataclass
class Server:
    data_dir: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> Server:
        self.port = self.port or free_port()
        self.process = launch(self.data_dir, self.port, *self.options)
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def answers(self) -> bool:
        try:
            return self.ask(path="/ping").status == 200
        except OSError:
            return False

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(40)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def client(self, **options: object) -> Client:
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, **options)  # type: ignore[arg-type]

    def ask(self, sql: str = "", *, body: bytes | None = None, path: str = "/", headers: dict[str, str] | None = None, **parameters: Any) -> Answer:
        """POST the statement as the body; with a body of its own the statement goes into the URL."""
        if body is not None and sql:
            parameters["query"] = sql
        data = body if body is not None else sql.encode() or None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}?{urlencode(parameters)}", data, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), error.headers)


def launch(data_dir: Path, port: int, *options: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "services.local.clickhouse", "--data-dir", str(data_dir), "--port", str(port), *options)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

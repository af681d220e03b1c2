"""The service as a process: it listens, and a stop lets answers finish."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from services.runtime.settings import Settings, environment_of
from tests.parts.ports import free_port

ROOT = Path(__file__).parents[2]
RUN = "import sys; from services.query.main import run; sys.exit(run())"


def start(settings: Settings, port: int) -> subprocess.Popen[bytes]:
    own = settings.model_copy(update={"query": settings.query.model_copy(update={"port": port})})
    return subprocess.Popen((sys.executable, "-c", RUN), cwd=ROOT, env=os.environ | environment_of(own), stderr=subprocess.PIPE)


def test_it_serves_until_asked_to_stop_and_ends_with_zero(settings: Settings) -> None:
    port = free_port()
    process = start(settings, port)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()


def test_a_port_that_is_taken_is_said_and_worth_another_try(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(settings, taken.getsockname()[1])
        _, said = process.communicate(timeout=60)
    assert process.returncode == 69
    assert b"QUARTERHOUR_QUERY__PORT" in said

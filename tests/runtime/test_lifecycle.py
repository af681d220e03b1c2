"""A service as a process: exit codes with their reasons, signals, and the side server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.parts.ports import free_port

PORT = free_port()

WAITS = """
import sys
from services.runtime.lifecycle import run_service
def body(settings, service):
    service.ready_when(lambda: {"kafka": True, "caught_up": False} if "lagging" in sys.argv else {"kafka": True})
    service.tell_status(lambda: {"watermark": "2026-01-31T08:15:00.000Z"})
    service.on_stop(lambda: print("asked to stop", flush=True))
    service.stopping.wait()
    if "deaf" in sys.argv:
        import time; time.sleep(30)
sys.exit(run_service("demo", body))
"""


def ends_with(statement: str) -> str:
    return f"""
import sys
from services.runtime.errors import ServiceError, Unavailable
from services.runtime.lifecycle import end_now, run_service
def body(settings, service):
    {statement}
sys.exit(run_service("demo", body))
"""


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], env={**os.environ, **environment}, capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "QUARTERHOUR_METRICS__PORT": str(PORT)}
    process = subprocess.Popen([sys.executable, "-c", WAITS, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _wait_for_body()
        yield process
    finally:
        process.kill()
        process.communicate()


def _wait_for_body() -> None:
    """The side server is up before the body has said anything."""
    deadline = time.monotonic() + 20
    while not _says_something():
        assert time.monotonic() < deadline, "the service did not come up"
        time.sleep(0.05)


def _says_something() -> bool:
    try:
        return bool(json.loads(get("/readyz")[1])["checks"])
    except OSError:
        return False


def get(path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("statement", "exit_code", "reason"),
    [
        ("return", 0, ""),
        ("raise ServiceError('make the table')", 1, "demo ends with exit code 1: make the table"),
        ("raise Unavailable('no broker')", 69, "demo ends with exit code 69: no broker"),
        ("raise KeyError('x')", 70, "demo ends with exit code 70: KeyError: 'x'"),
        ("end_now('demo', 'a delivery failed')", 70, "demo ends with exit code 70: a delivery failed"),
    ],
)
def test_each_end_has_its_exit_code_and_its_reason_on_stderr(statement: str, exit_code: int, reason: str) -> None:
    done = run(ends_with(statement))
    assert done.returncode == exit_code
    assert reason in done.stderr


def test_unusable_settings_end_it_with_2_and_all_that_is_wrong() -> None:
    done = run(ends_with("return"), QUARTERHOUR_SINK__FLUSH_MS="soon", QUARTERHOUR_KAFKA__SERVERS="x")
    assert done.returncode == 2
    assert "QUARTERHOUR_SINK__FLUSH_MS" in done.stderr
    assert "QUARTERHOUR_KAFKA__SERVERS: no such setting" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_politely(number: signal.Signals) -> None:
    with started() as process:
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "asked to stop" in output


def test_a_second_signal_ends_it_at_once() -> None:
    with started("deaf") as process:
        process.terminate()
        time.sleep(0.5)
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "a second SIGTERM" in errors


def test_the_side_server_tells_how_it_is() -> None:
    with started():
        assert get("/livez")[0] == get("/healthz")[0] == 200
        assert get("/readyz") == (200, '{"ready": true, "checks": {"kafka": true}}')
        assert json.loads(get("/status.json")[1]) == {"watermark": "2026-01-31T08:15:00.000Z"}
        assert "python_info" in get("/metrics")[1]
        assert get("/secret")[0] == 404


def test_one_false_check_makes_it_not_ready_and_is_named() -> None:
    with started("lagging"):
        status, body = get("/readyz")
        assert status == 503
        assert json.loads(body)["checks"] == {"kafka": True, "caught_up": False}


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", PORT)):
        done = run(ends_with("return"), QUARTERHOUR_METRICS__PORT=str(PORT))
    assert done.returncode == 1
    assert "QUARTERHOUR_METRICS__PORT" in done.stderr


def test_log_lines_are_json_with_the_time_first_and_the_service_named() -> None:
    done = run(ends_with("import structlog; structlog.get_logger('x').info('it began', rows=3)"))
    entry = json.loads(done.stdout)
    assert list(entry)[:4] == ["ts", "level", "event", "service"]
    assert (entry["event"], entry["service"], entry["rows"]) == ("it began", "demo", 3)


def test_lines_of_libraries_have_the_same_shape() -> None:
    done = run(ends_with("import logging; logging.getLogger('some.library').warning('slow: %d ms', 7)"))
    assert json.loads(done.stdout)["event"] == "slow: 7 ms"

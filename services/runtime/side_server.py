"""The side server of a service: /livez, /readyz, /metrics and /status.json, on a thread of its own.

Rule: it reads and never changes anything; a check that raises counts as false.
Limit: no TLS and no authentication; it listens where `metrics.host` says, loopback by default. Port 0: no server.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol, Self

import structlog

from services.runtime.errors import ServiceError
from services.runtime.settings import MetricsSettings

Checks = Callable[[], Mapping[str, bool]]
Status = Callable[[], Mapping[str, object]]
Answer = tuple[int, str, bytes]

_JSON = "application/json"
_log = structlog.get_logger(__name__)


class Tells(Protocol):
    """What the server asks: looked up at each request, so a service may set them after the start."""

    checks: Checks
    status: Status


class SideServer:
    """Serves while the `with` block runs."""

    def __init__(self, metrics: MetricsSettings, tells: Tells) -> None:
        self._metrics = metrics
        self._tells = tells
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; 0: none."""
        return self._server.server_address[1] if self._server else 0

    def __enter__(self) -> Self:
        if self._metrics.port:
            self._server = _listen(self._metrics, self._tells)
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="side-server", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()


def _listen(metrics: MetricsSettings, tells: Tells) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content_type, body = _answer(self.path.partition("?")[0], tells)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds: not worth a line."""

    try:
        return ThreadingHTTPServer((metrics.host, metrics.port), Handler)
    except OSError as error:
        raise ServiceError(
            f"Cannot listen on {metrics.host}:{metrics.port} for metrics: {error.strerror}. Set QUARTERHOUR_METRICS__PORT to a free port, or 0 for none."
        ) from error


def _answer(path: str, tells: Tells) -> Answer:
    match path:
        case "/livez" | "/healthz":
            return 200, _JSON, b'{"live":true}'
        case "/readyz":
            return _ready(tells)
        case "/status.json":
            return 200, _JSON, json.dumps(tells.status(), default=str).encode()
        case "/metrics":
            return _metrics_text()
        case _:
            return 404, _JSON, b'{"error":"There is /livez, /readyz, /metrics and /status.json."}'


def _ready(tells: Tells) -> Answer:
    try:
        checks = dict(tells.checks())
    except Exception as error:  # a check that fails is an answer: not ready
        _log.warning("a readiness check failed", error=repr(error))
        checks = {"checks": False}
    ready = bool(checks) and all(checks.values())
    return (200 if ready else 503), _JSON, json.dumps({"ready": ready, "checks": checks}).encode()


def _metrics_text() -> Answer:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return 200, CONTENT_TYPE_LATEST, generate_latest()

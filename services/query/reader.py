"""Run statements on ClickHouse over HTTP (the shell of `statement.Reader`).

Rule: values are bound by the server; every request reads behind the wall of its key (`wall`); the client is shared by all threads and holds no session.
A stream that breaks raises, so that the answer is cut off too and nobody takes half a file for a whole one.
Limit: one statement may take `read_s_max`, an export `export_s_max`, either may read `read_rows_max`, and what ClickHouse grants the user.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from threading import Lock
from typing import Final

import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from services.accounts.keys import Principal
from services.query.statement import READ_SETTINGS, Reader, Row, Statement
from services.query.wall import wall_settings
from services.runtime import clickhouse
from services.runtime.errors import ServiceError, Unavailable
from services.runtime.settings import ClickHouseSettings, QuerySettings, Settings

_AWAY: Final = frozenset({60, 81, 202, 516})
"""No such table or database (not migrated yet), too many queries at one time, a wrong password."""
_TOO_MUCH: Final = frozenset({158, 159, 160, 241, 307, 396})
"""Limits of rows, time, estimated time, memory, bytes, and rows of the result."""
_CHUNK_BYTES: Final = 1 << 18
_AS_IT_IS: Final = {"enable_http_compression": 0}
"""A file passes through this process: packing and unpacking it on the way costs more than a network of ours."""


class TooExpensive(ServiceError):
    """ClickHouse gave up at a limit."""


class ClickHouseReaders:
    """Readers for requests. Connects when it is first needed: a database that is away must not stop the service from starting."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._lock = Lock()

    def of(self, principal: Principal, spend: Callable[[int], None] = lambda _read_ms: None) -> Reader:
        """Behind the wall of who asks. `spend` is told the milliseconds that each statement took; not those of streams: they go at their reader's pace."""
        wall = wall_settings(principal, self._settings.clickhouse.database)
        if self._settings.query.policy_setting:
            wall[self._settings.query.policy_setting] = principal.workspace_id
        return _TenantReader(self.connected, self._settings.query, wall, spend)

    def check(self) -> None:
        """Whether the tables can be read. Raises Unavailable."""
        reader = _TenantReader(self.connected, self._settings.query, {"readonly": 1}, lambda _read_ms: None)
        reader.rows(Statement("SELECT 1 FROM usage_counts LIMIT 0", {}))

    def close(self) -> None:
        if self._client:
            self._client.close()

    def connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = clickhouse.connect(_as_reader(self._settings))
            return self._client


class _TenantReader:
    """A `Reader`."""

    def __init__(self, connected: Callable[[], Client], limits: QuerySettings, wall: Mapping[str, object], spend: Callable[[int], None]) -> None:
        self._connected, self._limits, self._wall, self._spend = connected, limits, wall, spend

    def rows(self, statement: Statement) -> list[Row]:
        began_s = time.perf_counter()
        try:
            result = self._connected().query(statement.text, dict(statement.parameters), self._settings(statement, self._limits.read_s_max))
        except (ClickHouseError, urllib3.exceptions.HTTPError) as error:
            raise _told(error) from error
        finally:
            self._spend(round((time.perf_counter() - began_s) * 1000))
        return [tuple(row) for row in result.result_rows]

    def stream(self, statement: Statement) -> Generator[bytes, None, None]:
        try:
            settings = self._settings(statement, self._limits.export_s_max) | _AS_IT_IS
            response = self._connected().raw_stream(statement.text, dict(statement.parameters), settings)
        except (ClickHouseError, urllib3.exceptions.HTTPError) as error:
            raise _told(error) from error
        assert isinstance(response, urllib3.HTTPResponse)
        yield from _chunks(response)

    def _settings(self, statement: Statement, seconds_max: int) -> dict[str, object]:
        return {**READ_SETTINGS, **statement.settings, "max_execution_time": seconds_max, "max_rows_to_read": self._limits.read_rows_max, **self._wall}


def _as_reader(settings: Settings) -> ClickHouseSettings:
    """The user of the questions, when it is another than that of the sink."""
    if not settings.query.clickhouse_user:
        return settings.clickhouse
    return settings.clickhouse.model_copy(update={"user": settings.query.clickhouse_user, "password": settings.query.clickhouse_password})


def _chunks(response: urllib3.HTTPResponse) -> Generator[bytes, None, None]:
    """The body. The exception that ClickHouse writes into a body that it breaks off is never passed on; it is known by the tag of this answer."""
    mark = b"__exception__\r\n" + response.headers.get("X-ClickHouse-Exception-Tag", "").encode()
    held = b""
    try:
        for chunk in response.stream(_CHUNK_BYTES, decode_content=True):
            held += chunk
            if mark in held:
                raise Unavailable("ClickHouse broke off in the middle of an export.")
            # A mark may come in two chunks.
            ready, held = held[: -len(mark)], held[-len(mark) :]
            yield ready
        yield held
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable("ClickHouse broke off in the middle of an export.") from error
    finally:
        response.close()


def _told(error: Exception) -> Exception:
    code = getattr(error, "code", None)
    if code in _TOO_MUCH:
        return TooExpensive("ClickHouse gave up at a limit of time, memory or rows.")
    if code in _AWAY or isinstance(error, OperationalError | urllib3.exceptions.HTTPError):
        return Unavailable(f"ClickHouse does not answer as it should: {error}")
    return error

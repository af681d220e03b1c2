"""ClickHouse clients over HTTP: one way to connect, and a wait until the server answers.

Rule: instants come back as aware datetimes in UTC; bodies are compressed; no server session, so that one client may serve several threads.
"""

from __future__ import annotations

import time
from typing import Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.runtime.errors import Unavailable
from services.runtime.settings import ClickHouseSettings

CONNECT_S: Final = 5
ANSWER_S: Final = 120
_PROBE_EVERY_S: Final = 0.5


def connect(settings: ClickHouseSettings, *, database: str | None = None, answer_s: int = ANSWER_S) -> Client:
    """A client of the settings' database, or of another; `""`: the server's default. `answer_s`: how long it waits for an answer. Raises `Unavailable`."""
    try:
        return clickhouse_connect.get_client(
            dsn=settings.url,
            username=settings.user,
            password=settings.password.get_secret_value(),
            database=settings.database if database is None else database,
            compress=True,
            autogenerate_session_id=False,
            tz_mode="aware",
            connect_timeout=CONNECT_S,
            send_receive_timeout=answer_s,
            client_name="quarterhour",
        )
    except ClickHouseError as error:
        raise Unavailable(
            f"ClickHouse at {settings.url} cannot be used: {_first_line(error)} "
            "Start the local stack with `quarterhour up`, or set QUARTERHOUR_CLICKHOUSE__URL, __USER and __PASSWORD; `quarterhour migrate` makes the database."
        ) from error


def wait_ready(settings: ClickHouseSettings, timeout_s: float = 60.0) -> None:
    """Return when the server answers a query. Raises `Unavailable` with the last reason."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connect(settings, database="").close()
            return
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PROBE_EVERY_S)


def answers(client: Client) -> bool:
    """Whether the server is there; raises nothing."""
    return bool(client.ping())


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300].rstrip(". ") + "."

"""Count what keys use, in PostgreSQL: one row for each key, added to by every process that answers it."""

from __future__ import annotations

from datetime import datetime

from psycopg import Connection

from services.accounts.limits import MINUTE, Use, minute_of

# Clocks of several processes differ a little: the newer minute counts. One far ahead was a wrong clock, and is not waited for.
_ADD = """INSERT INTO key_use AS used (prefix, minute, requests, read_ms) VALUES (%(prefix)s, %(minute)s, %(requests)s, %(read_ms)s)
ON CONFLICT (prefix) DO UPDATE SET
    minute = CASE WHEN used.minute BETWEEN excluded.minute AND %(next)s THEN used.minute ELSE excluded.minute END,
    requests = excluded.requests + CASE WHEN used.minute BETWEEN excluded.minute AND %(next)s THEN used.requests ELSE 0 END,
    read_ms = excluded.read_ms + CASE WHEN used.minute BETWEEN excluded.minute AND %(next)s THEN used.read_ms ELSE 0 END
RETURNING minute, requests, read_ms"""


def add(connection: Connection, prefix: str, now: datetime, *, requests: int = 0, read_ms: int = 0) -> Use:
    """Add to the key's minute, and what it has used of it then."""
    minute = minute_of(now)
    values = {"prefix": prefix, "minute": minute, "next": minute + MINUTE, "requests": requests, "read_ms": read_ms}
    row = connection.execute(_ADD, values).fetchone()
    assert row is not None
    return Use(*row)


def note(connection: Connection, prefix: str, now: datetime) -> None:
    """Write down that the key was used; asked for at most once a minute, for this is written to disk."""
    connection.execute("UPDATE api_keys SET last_used_at = greatest(last_used_at, %s) WHERE prefix = %s", (now, prefix))

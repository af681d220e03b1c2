"""Manifests of exports in PostgreSQL: what a whole file holds, for who has the file to compare.

Rule: a manifest is seen by keys of its workspace that may see every app that it could hold; a key has so many exports under way as it may and no more.
Limit: kept for `KEPT_DAYS`. An export whose process was killed counts as under way for `RUNS_MAX`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.types.json import Json

from services.accounts.keys import Principal
from services.accounts.limits import EXPORT_RETRY_S, QuotaExceeded

KEPT_DAYS: Final = 30
RUNS_MAX: Final = timedelta(minutes=30)

Manifest = Mapping[str, Any]


def begin(connection: Connection, principal: Principal, manifest: Manifest, now: datetime) -> None:
    """Write it down as running, and forget those that are too old. Raises QuotaExceeded."""
    _take_place(connection, principal, now)
    connection.execute("DELETE FROM exports WHERE created_at < %s", (now - timedelta(days=KEPT_DAYS),))
    connection.execute(
        "INSERT INTO exports (export_id, workspace_id, key_prefix, app_ids, state, manifest, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            manifest["export_id"], principal.workspace_id, principal.key_prefix, list(principal.app_ids) or None, manifest["state"],
            Json(dict(manifest)), now,
        ),
    )  # fmt: skip


def _take_place(connection: Connection, principal: Principal, now: datetime) -> None:
    """The key's row is locked until the export is written down: two that begin at once see one another."""
    connection.execute("SELECT 1 FROM api_keys WHERE prefix = %s FOR UPDATE", (principal.key_prefix,))
    row = connection.execute(
        "SELECT count(*) FROM exports WHERE key_prefix = %s AND state = 'running' AND created_at > %s", (principal.key_prefix, now - RUNS_MAX)
    ).fetchone()
    most = principal.limits.exports_at_once
    if row and row[0] >= most:
        detail = f"This API key has {row[0]} exports under way and may have {most}. Try again in {EXPORT_RETRY_S} s."
        raise QuotaExceeded("exports", EXPORT_RETRY_S, detail)


def end(connection: Connection, export_id: str, manifest: Manifest, now: datetime) -> None:
    connection.execute(
        "UPDATE exports SET state = %s, manifest = %s, ended_at = %s WHERE export_id = %s AND state = 'running'",
        (manifest["state"], Json(dict(manifest)), now, export_id),
    )


def find(connection: Connection, principal: Principal, export_id: str) -> Manifest | None:
    row = connection.execute(
        "SELECT manifest FROM exports WHERE export_id = %s AND workspace_id = %s AND (%s::text[] IS NULL OR app_ids <@ %s::text[])",
        (export_id, principal.workspace_id, apps := list(principal.app_ids) or None, apps),
    ).fetchone()
    return dict(row[0]) if row else None

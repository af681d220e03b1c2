"""Manifests of exports in PostgreSQL: what a whole file holds, for who has the file to compare.

Rule: a manifest is seen by keys of its workspace that may see every app that it could hold. Limit: kept for `KEPT_DAYS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.types.json import Jsonb

from services.accounts.keys import Principal

KEPT_DAYS: Final = 30

Manifest = Mapping[str, Any]


def begin(connection: Connection, principal: Principal, manifest: Manifest, now: datetime) -> None:
    """Write it down as running, and forget those that are too old."""
    connection.execute("DELETE FROM exports WHERE created_at < %s", (now - timedelta(days=KEPT_DAYS),))
    connection.execute(
        "INSERT INTO exports (export_id, workspace_id, key_prefix, app_ids, state, manifest, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            manifest["export_id"], principal.workspace_id, principal.key_prefix, list(principal.app_ids) or None, manifest["state"],
            Jsonb(dict(manifest)), now,
        ),
    )  # fmt: skip


def end(connection: Connection, export_id: str, manifest: Manifest, now: datetime) -> None:
    connection.execute(
        "UPDATE exports SET state = %s, manifest = %s, ended_at = %s WHERE export_id = %s AND state = 'running'",
        (manifest["state"], Jsonb(dict(manifest)), now, export_id),
    )


def find(connection: Connection, principal: Principal, export_id: str) -> Manifest | None:
    row = connection.execute(
        "SELECT manifest FROM exports WHERE export_id = %s AND workspace_id = %s AND (%s::text[] IS NULL OR app_ids <@ %s::text[])",
        (export_id, principal.workspace_id, apps := list(principal.app_ids) or None, apps),
    ).fetchone()
    return dict(row[0]) if row else None

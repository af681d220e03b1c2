"""The second wall: whatever a statement forgets to say, ClickHouse reads the rows of one workspace only (OWASP API1). Pure.

The first wall is the condition in every statement. The second is put around the connection, from the key and never from the statement: a filter on every
table (`additional_table_filters`), which ClickHouse adds wherever the table is named, also under FINAL and inside views; and `readonly = 1`, so that a
statement can neither write nor change the filter. Where ClickHouse has row policies, they are a third (sql/analyst/access.sql).
Limit: it is no prison for hostile SQL: the table function `merge` reads around it. Statements are our own texts; values are bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.accounts.keys import Principal

_BY_APP: Final = "app_id IN ({apps})"
_BY_ANY_APP: Final = "hasAny(app_ids, [{apps}])"
APP_FILTERS: Final[Mapping[str, str]] = {
    "billing_sessions": _BY_APP,
    "conversations": _BY_APP,
    "seat_peaks": _BY_APP,
    "agent_logins": _BY_ANY_APP,
    "agent_assignments": _BY_APP,
    "rejected_events": "false",
    "usage_counts": _BY_APP,
    "usage_days": "true",
}
"""Table with a workspace → what a key of some apps may see of it. The ledger belongs to nobody and tells of nobody."""


def wall_settings(principal: Principal, database: str) -> dict[str, object]:
    """Settings of the connection of one request."""
    mine = f"workspace_id = {quote(principal.workspace_id)}"
    apps = ", ".join(quote(app_id) for app_id in principal.app_ids)
    filters = {f"{database}.{table}": mine + (f" AND {condition.format(apps=apps)}" if apps else "") for table, condition in APP_FILTERS.items()}
    pairs = ", ".join(f"{quote(table)}: {quote(condition)}" for table, condition in filters.items())
    return {"additional_table_filters": f"{{{pairs}}}", "readonly": 1}


def quote(text: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

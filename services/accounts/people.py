"""Workspaces, names of apps, and people with their roles, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row

from services.accounts.limits import WorkspaceKind
from services.accounts.roles import Role


@dataclass(frozen=True, slots=True)
class Workspace:
    workspace_id: str
    kind: WorkspaceKind
    created_at: datetime
    keys: int
    """Those that are good now."""
    people: int


@dataclass(frozen=True, slots=True)
class Person:
    """A person in one workspace."""

    workspace_id: str
    person_id: int
    email: str
    name: str
    role: Role
    app_ids: list[str] | None


def set_workspace(connection: Connection, workspace_id: str, kind: WorkspaceKind | None, now: datetime) -> None:
    """Make it, or give it another kind; a kind of None leaves what there is (a new one is standard)."""
    connection.execute(
        """INSERT INTO workspaces (workspace_id, kind, created_at) VALUES (%(id)s, coalesce(%(kind)s, 'standard'), %(now)s)
        ON CONFLICT (workspace_id) DO UPDATE SET kind = coalesce(%(kind)s, workspaces.kind)""",
        {"id": workspace_id, "kind": kind, "now": now},
    )


def list_workspaces(connection: Connection, now: datetime) -> list[Workspace]:
    with connection.cursor(row_factory=class_row(Workspace)) as cursor:
        return cursor.execute(
            """SELECT workspace_id, kind, created_at,
                (SELECT count(*) FROM api_keys WHERE api_keys.workspace_id = w.workspace_id AND revoked_at IS NULL AND coalesce(expires_at > %s, true)) AS keys,
                (SELECT count(*) FROM memberships WHERE memberships.workspace_id = w.workspace_id) AS people
            FROM workspaces AS w ORDER BY workspace_id""",
            (now,),
        ).fetchall()


def name_app(connection: Connection, workspace_id: str, app_id: str, name: str, now: datetime) -> None:
    set_workspace(connection, workspace_id, None, now)
    connection.execute(
        """INSERT INTO apps (workspace_id, app_id, name, created_at) VALUES (%s, %s, %s, %s)
        ON CONFLICT (workspace_id, app_id) DO UPDATE SET name = excluded.name""",
        (workspace_id, app_id, name, now),
    )


def app_names(connection: Connection, workspace_id: str, app_ids: Sequence[str] = ()) -> Mapping[str, str]:
    """App → name, by id; of these apps, or of all."""
    rows = connection.execute(
        "SELECT app_id, name FROM apps WHERE workspace_id = %s AND (%s::text[] IS NULL OR app_id = ANY(%s::text[])) ORDER BY app_id",
        (workspace_id, wanted := list(app_ids) or None, wanted),
    )
    return dict(rows.fetchall())


def set_person(connection: Connection, workspace_id: str, email: str, role: Role, app_ids: Sequence[str] | None, now: datetime, *, name: str = "") -> None:
    """Make them a member, or change what they are; an empty name leaves the one there is."""
    set_workspace(connection, workspace_id, None, now)
    row = connection.execute(
        """INSERT INTO people (email, name, created_at) VALUES (%s, %s, %s)
        ON CONFLICT (email) DO UPDATE SET name = coalesce(nullif(excluded.name, ''), people.name) RETURNING person_id""",
        (email, name, now),
    ).fetchone()
    assert row is not None
    connection.execute(
        """INSERT INTO memberships (workspace_id, person_id, role, app_ids, created_at) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (workspace_id, person_id) DO UPDATE SET role = excluded.role, app_ids = excluded.app_ids""",
        (workspace_id, row[0], role, None if app_ids is None else list(app_ids), now),
    )


def list_people(connection: Connection, workspace_id: str | None = None, email: str | None = None) -> list[Person]:
    with connection.cursor(row_factory=class_row(Person)) as cursor:
        return cursor.execute(
            """SELECT workspace_id, person_id, email, name, role, app_ids FROM memberships JOIN people USING (person_id)
            WHERE (workspace_id = %(workspace)s OR %(workspace)s::text IS NULL) AND (email = %(email)s OR %(email)s::text IS NULL)
            ORDER BY workspace_id, email""",
            {"workspace": workspace_id, "email": email},
        ).fetchall()


def remove_person(connection: Connection, workspace_id: str, email: str, now: datetime) -> bool:
    """Their keys there are revoked with it. False: they are no member."""
    [person, *_] = [*list_people(connection, workspace_id, email), None]
    if person is None:
        return False
    connection.execute("DELETE FROM memberships WHERE workspace_id = %s AND person_id = %s", (workspace_id, person.person_id))
    connection.execute(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, %s) WHERE workspace_id = %s AND person_id = %s", (now, workspace_id, person.person_id)
    )
    return True

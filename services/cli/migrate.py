"""`quarterhour migrate`: make the databases and their tables, or say what would be done."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `migrate`."""
    app.command("migrate")(migrate)


def migrate(plan: Annotated[bool, typer.Option("--plan", help="Only say what would be applied.")] = False) -> None:
    """Bring PostgreSQL and ClickHouse to the schema of this version; it may run at any time. The applied files go to standard output.

    Example: quarterhour migrate --plan
    """
    from services.runtime import migrations
    from services.runtime.errors import ServiceError
    from services.runtime.settings import SettingsError, read_settings

    try:
        settings = read_settings()
        names = migrations.plan(settings) if plan else migrations.migrate_all(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    except ServiceError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    for name in names:
        typer.echo(name)
    typer.echo("nothing to do" if not names else f"{len(names)} to apply" if plan else f"{len(names)} applied", err=True)

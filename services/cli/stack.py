"""`quarterhour up`, `down`, `status`: the whole stack on this machine, without Docker.

Rule: progress goes to standard error, what `status` finds to standard output.
Exit codes: 0 as asked, 1 not, 2 the settings cannot be used; `status`: 3 when the stack is not ready.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option(help="Where the stack keeps its data. Default: ~/.local/share/quarterhour, or below $XDG_DATA_HOME.")]

NOT_READY = 3


def register(app: typer.Typer) -> None:
    """Add `up`, `down` and `status`."""
    app.command("up")(up)
    app.command("down")(down)
    app.command("status")(status)


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything is ready; the stack goes on by itself.")] = False,
    data_dir: DataDir = None,
    port_base: Annotated[
        int, typer.Option(min=1024, max=65_000, help="First port: Kafka N and N+1, ClickHouse N+2, PostgreSQL N+3, query N+4, metrics from N+10.")
    ] = 19_000,
    processors: Annotated[int, typer.Option(min=1, max=64, help="Processors to run.")] = 1,
) -> None:
    """Start Kafka, ClickHouse, PostgreSQL and the services on this machine, and keep them running.

    The first start fetches Kafka once (38 MB). Without --detach, Ctrl-C stops everything.

    Example: quarterhour up --detach
    """
    from services.local.plan import make_plan
    from services.local.stack import leave, run_stack, start_detached

    plan = make_plan(data_dir, port_base, processors)
    if detach:
        raise typer.Exit(start_detached(plan))
    leave(run_stack(plan))


def down(data_dir: DataDir = None) -> None:
    """Stop the stack of a data directory, in order; its data stays.

    Example: quarterhour down
    """
    from services.local.part import PartError
    from services.local.plan import make_plan
    from services.local.stack import stop_stack

    home = make_plan(data_dir).data_dir
    try:
        stopped = stop_stack(home)
    except PartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo("the stack has stopped" if stopped else f"no stack runs on {home}", err=True)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show each part, how far consumers are behind, and the watermark. Exit code 3 when the stack is not ready.

    Example: quarterhour status --json
    """
    from services.local.part import PartError
    from services.local.plan import make_plan
    from services.local.status import as_text, gather
    from services.runtime.settings import SettingsError

    try:
        report = gather(make_plan(data_dir).data_dir)
    except (PartError, SettingsError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from None
    typer.echo(json.dumps(report, indent=2) if as_json else as_text(report))
    if report["state"] != "ready":
        raise typer.Exit(NOT_READY)

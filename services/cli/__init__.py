"""The command line: `quarterhour`. Each command group is a module of its own; heavy imports happen inside the commands."""

from __future__ import annotations

import typer

from services.cli import (
    demo,
    dump,
    emit,
    export,
    keys,
    meter,
    migrate,
    rebuild,
    schemas,
    serve,
    show_settings,
    simulate,
    stack,
    topics,
    verify,
    wait,
    workspaces,
)

app = typer.Typer(name="quarterhour", help="Open metering for conversational-AI platforms.", no_args_is_help=True, pretty_exceptions_enable=False)
for _module in (stack, demo, meter, emit, dump, verify, wait, simulate, keys, workspaces, export, serve, topics, migrate, rebuild, schemas, show_settings):
    _module.register(app)


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """The console script."""
    app()

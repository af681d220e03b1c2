"""The command line: `quarterhour`. Each command group is a module of its own; heavy imports happen inside the commands."""

from __future__ import annotations

import typer

from services.cli import meter

app = typer.Typer(name="quarterhour", help="Open metering for conversational-AI platforms.", no_args_is_help=True, pretty_exceptions_enable=False)
for _module in (meter,):
    _module.register(app)


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """The console script."""
    app()

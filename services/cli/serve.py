"""`quarterhour serve`: run one service in the foreground. The stack starts these; so does whoever deploys them apart."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer


class Room(StrEnum):
    """The long-running services."""

    INGEST = "ingest"
    PROCESSOR = "processor"
    SINK = "sink"
    QUERY = "query"


_MODULES = {
    Room.INGEST: "services.ingest.main",
    Room.PROCESSOR: "services.processors.main",
    Room.SINK: "services.sink.main",
    Room.QUERY: "services.query.main",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(room: Annotated[Room, typer.Argument(help="Which service.")]) -> None:
    """Run one service until SIGTERM or Ctrl-C, with the settings of the environment.

    Example: QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS=broker:9092 quarterhour serve ingest
    """
    run: Callable[[], int] = import_module(_MODULES[room]).run
    raise typer.Exit(run())

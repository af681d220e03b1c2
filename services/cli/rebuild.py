"""`quarterhour rebuild`: meter everything anew from the raw log, as a new generation.

Rule: nothing of the former generation is needed: ingest reads the raw log from its beginning with a group of its own, processors begin with an empty state
topic, and every fact comes again with a higher revision (F3, T6). The command itself only raises the number; the next start does the work.
Limit: while the new generation catches up, facts show what was known at that point of the log. What the former one published and the new one does not
(other rules, a longer lateness) stays: `quarterhour verify` lists it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from services.cli.stack import DataDir

if TYPE_CHECKING:
    from pathlib import Path

STEPS = """No stack has run on {home}, so the brokers are your own. To meter everything anew as generation {generation}:
  1. Stop every ingest and processor.
  2. Set QUARTERHOUR_PROCESSORS__GENERATION={generation} for all services and commands.
  3. Run `quarterhour topics create`: it makes a new state topic and empties metering.batches.v1.
  4. Start them again, and follow with `quarterhour wait` and `quarterhour verify`."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rebuild")(rebuild)


def rebuild(data_dir: DataDir = None) -> None:
    """Meter everything anew from the raw log: for state that is damaged or lost, and for rules that have changed. The stack must be stopped.

    Facts keep their ids and come again with higher revisions. With brokers of your own, it says what to do.

    Example: quarterhour down; quarterhour rebuild; quarterhour up --detach; quarterhour wait
    """
    from services.local.part import PartError
    from services.local.state import default_data_dir

    try:
        typer.echo(_raised(data_dir or default_data_dir()), err=True)
    except PartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _raised(home: Path) -> str:
    """What was done, or is to be done."""
    from services.local.state import held, read_generation, read_state, write_generation
    from services.runtime.settings import read_settings

    generation = read_settings().processors.generation
    if read_state(home) is None:
        return STEPS.format(home=home, generation=generation + 1)
    with held(home):
        generation = max(generation, read_generation(home)) + 1
        write_generation(home, generation)
    return f"Generation {generation} from the next start on: `quarterhour up` meters the raw log anew, `quarterhour wait` waits for it."

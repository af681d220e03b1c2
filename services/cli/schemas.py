"""`quarterhour schemas`: write the JSON Schemas of all events and facts, or say which files differ from the models.

Rule: the folder holds exactly the generated files; a schema of a type that is gone goes too. Other files in it are left alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `schemas`."""
    app.command("schemas")(schemas)


def schemas(
    folder: Annotated[Path, typer.Option("--to", help="Folder of the files.", file_okay=False)] = Path("schemas"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; end with 1 if a file differs.")] = False,
) -> None:
    """Write the JSON Schema of each event type and each fact topic.

    Example: quarterhour schemas --to schemas --check
    """
    from services.events.schema_files import schema_files

    wanted = schema_files()
    differing = differences(folder, wanted)
    if check and differing:
        typer.echo(f"These files in {folder} differ from the models: {', '.join(differing)}. Write them anew: quarterhour schemas --to {folder}", err=True)
        raise typer.Exit(1)
    if not check:
        _write(folder, wanted, differing)
    typer.echo(f"{len(wanted)} schemas in {folder} agree with the models ({0 if check else len(differing)} written or removed).", err=True)


def differences(folder: Path, wanted: dict[str, str]) -> list[str]:
    """The names of files that are missing, differ, or are schemas of nothing any more."""
    from services.events.schema_files import SUFFIX

    found = {path.name: path.read_text("utf-8") for path in folder.glob(f"*{SUFFIX}")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def _write(folder: Path, wanted: dict[str, str], names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name in wanted:
            (folder / name).write_text(wanted[name], "utf-8", newline="\n")
        else:
            (folder / name).unlink()

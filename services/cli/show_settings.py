"""`quarterhour settings`: every setting, its value now and what it is for. Secrets are not shown."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("settings")(show_settings)


def show_settings() -> None:
    """List every setting: environment variable, effective value, meaning.

    Example: QUARTERHOUR_SINK__FLUSH_MS=250 quarterhour settings
    """
    from services.runtime.settings import SettingsError, read_settings, setting_names, shown_values

    try:
        values = shown_values(read_settings())
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    for name, description in setting_names().items():
        typer.echo(f"{name}={values[name]}\n    {description}")

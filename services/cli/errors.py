"""Errors that a person can mend, as a sentence on standard error and an exit code instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

SETTINGS_EXIT_CODE: Final = 2


@contextmanager
def explained() -> Iterator[None]:
    """Around what needs settings or the services: `ServiceError` ends with its own exit code, unusable settings with 2."""
    from services.runtime.errors import ServiceError
    from services.runtime.settings import SettingsError

    try:
        yield
    except (ServiceError, SettingsError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code if isinstance(error, ServiceError) else SETTINGS_EXIT_CODE) from None

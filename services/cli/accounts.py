"""What the commands about accounts share: the accounts of the local stack or of the settings, lengths of time, and texts for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from services.cli.errors import explained

if TYPE_CHECKING:
    from services.accounts.store import Accounts

DataDir = Annotated[Path | None, typer.Option(help="Data directory of the local stack; its accounts, where one runs.")]
Choice = TypeVar("Choice", bound=str)

_LASTS = re.compile(r"(\d{1,5})([hdw])")
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


@contextmanager
def accounts_of(data_dir: Path | None) -> Iterator[Accounts]:
    """Ends with a sentence and an exit code where something cannot be done."""
    from services.accounts.store import Accounts
    from services.local.find import stack_settings

    with explained(), Accounts(stack_settings(data_dir).postgres.dsn.get_secret_value()) as accounts:
        yield accounts


def now() -> datetime:
    from services.runtime.clock import wall_ms

    return datetime.fromtimestamp(wall_ms() / 1000, UTC)


def chosen(text: str, choices: Sequence[Choice], option: str) -> Choice:
    for choice in choices:
        if choice == text:
            return choice
    raise typer.BadParameter(f"{text!r} is none of {', '.join(choices)}", param_hint=option)


def checked_id(text: str, option: str, characters_max: int = 128) -> str:
    if not 1 <= len(text) <= characters_max or "\0" in text:
        raise typer.BadParameter(f"it has 1 to {characters_max} characters", param_hint=option)
    return text


def duration(text: str, option: str) -> timedelta:
    match = _LASTS.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter("a number of hours, days or weeks, such as 12h, 90d or 52w", param_hint=option)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def shown_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def shown_apps(app_ids: Sequence[str] | None) -> str:
    return ", ".join(app_ids) if app_ids else "all apps"

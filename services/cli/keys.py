"""`quarterhour keys`: make, list and revoke the keys with which programs read usage.

Rule: the key itself goes to standard output alone, once, and everything about it to standard error, so that `KEY=$(quarterhour keys create ...)` works.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from services.accounts.keys import ApiKey, KeyScope
    from services.accounts.store import Accounts

_LASTS = re.compile(r"(\d{1,5})([hdw])")
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def register(app: typer.Typer) -> None:
    """Add `keys create|list|revoke`."""
    keys = typer.Typer(no_args_is_help=True, help="Keys with which programs read the usage of a workspace.")
    keys.command("create")(create)
    keys.command("list")(list_)
    keys.command("revoke")(revoke)
    app.add_typer(keys, name="keys")


def create(
    workspace: Annotated[str, typer.Option(help="Workspace whose usage the key may read; made when it is new.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="read, export or admin; may be repeated. Default: read and export.")] = None,
    app: Annotated[list[str] | None, typer.Option(help="Only this app; may be repeated. Default: all apps of the workspace.")] = None,
    expires: Annotated[str | None, typer.Option(help="How long it is good: 12h, 90d, 52w. Default: until it is revoked.")] = None,
) -> None:
    """Make a key and print it, once.

    Example: quarterhour keys create --workspace acme --name dashboard --scope read --expires 90d
    """
    from services.accounts.keys import DEFAULT_SCOPES

    now = _now()
    if not 1 <= len(workspace) <= 128:
        raise typer.BadParameter("a workspace id has 1 to 128 characters", param_hint="--workspace")
    scopes = [_scope(text) for text in dict.fromkeys(scope)] if scope else list(DEFAULT_SCOPES)
    with _accounts() as accounts:
        text, key = accounts.create_key(
            workspace, now, name=name, scopes=scopes, app_ids=list(dict.fromkeys(app or [])), expires_at=now + _duration(expires) if expires else None
        )
    typer.echo(f"A key for {_line(key)}. Keep it now: it cannot be shown again.", err=True)
    typer.echo(text)


def list_(workspace: Annotated[str | None, typer.Option(help="Only this workspace.")] = None) -> None:
    """List keys, without their secrets.

    Example: quarterhour keys list --workspace acme
    """
    with _accounts() as accounts:
        keys = accounts.list_keys(workspace)
    if not keys:
        typer.echo("No keys. Make one: quarterhour keys create --workspace <id>", err=True)
    for key in keys:
        typer.echo(_line(key))


def revoke(prefix: Annotated[str, typer.Argument(help="Prefix of the key, as `keys list` shows it.")]) -> None:
    """Refuse a key from now on.

    Example: quarterhour keys revoke 3f9a1c0b7d2e
    """
    with _accounts() as accounts:
        known = accounts.revoke_key(prefix.removeprefix("qh_").partition("_")[0], _now())
    if not known:
        typer.echo("There is no key with this prefix. `quarterhour keys list` shows them.", err=True)
        raise typer.Exit(1)
    typer.echo("Revoked.", err=True)


@contextmanager
def _accounts() -> Iterator[Accounts]:
    from services.accounts.store import Accounts
    from services.runtime.errors import Unavailable
    from services.runtime.settings import SettingsError, read_settings

    try:
        with Accounts(read_settings().postgres.dsn.get_secret_value()) as accounts:
            yield accounts
    except (Unavailable, SettingsError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code if isinstance(error, Unavailable) else 2) from None


def _now() -> datetime:
    from services.runtime.clock import wall_ms

    return datetime.fromtimestamp(wall_ms() / 1000, UTC)


def _scope(text: str) -> KeyScope:
    from services.accounts.keys import KEY_SCOPES

    for scope in KEY_SCOPES:
        if scope == text:
            return scope
    raise typer.BadParameter(f"{text!r} is none of {', '.join(KEY_SCOPES)}", param_hint="--scope")


def _duration(text: str) -> timedelta:
    match = _LASTS.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter("a number of hours, days or weeks, such as 12h, 90d or 52w", param_hint="--expires")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _line(key: ApiKey) -> str:
    state = f"revoked {_date(key.revoked_at)}" if key.revoked_at else f"expires {_date(key.expires_at)}" if key.expires_at else "does not expire"
    apps = ", ".join(key.app_ids) if key.app_ids else "all apps"
    return f"{key.prefix}  …{key.last_four}  {key.workspace_id}  {apps}  {'+'.join(key.scopes)}  made {_date(key.created_at)}, {state}  {key.name}".rstrip()


def _date(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")

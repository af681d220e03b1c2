"""`quarterhour keys`: make, rotate, list and revoke the keys with which programs and people read usage.

Rule: the key itself goes to standard output alone, once, and everything about it to standard error, so that `KEY=$(quarterhour keys create ...)` works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.accounts import DataDir, accounts_of, checked_id, chosen, duration, now, shown_apps, shown_instant

if TYPE_CHECKING:
    from services.accounts.keys import ApiKey


def register(app: typer.Typer) -> None:
    """Add `keys create|rotate|list|revoke`."""
    keys = typer.Typer(no_args_is_help=True, help="Keys with which programs and people read the usage of a workspace.")
    keys.command("create")(create)
    keys.command("rotate")(rotate)
    keys.command("list")(list_)
    keys.command("revoke")(revoke)
    app.add_typer(keys, name="keys")


def create(
    workspace: Annotated[str, typer.Option(help="Workspace whose usage the key may read; made when it is new.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="read, export or admin; may be repeated. Default: read and export.")] = None,
    app: Annotated[list[str] | None, typer.Option(help="Only this app; may be repeated. Default: all apps of the workspace.")] = None,
    expires: Annotated[str | None, typer.Option(help="How long it is good: 12h, 90d, 52w. Default: until it is revoked.")] = None,
    person: Annotated[str | None, typer.Option(help="E-mail of the member whose key it is: it never sees more than they do. Default: a program's.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Requests a minute. Default: what the workspace's kind has.")] = None,
    read_s_per_minute: Annotated[int | None, typer.Option(min=1, help="Seconds of reading a minute. Default: what the workspace's kind has.")] = None,
    exports_at_once: Annotated[int | None, typer.Option(min=1, help="Exports at one time. Default: what the workspace's kind has.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it, once.

    Example: quarterhour keys create --workspace acme --name dashboard --scope read --app shop --expires 90d
    """
    from services.accounts.scopes import DEFAULT_SCOPES, KEY_SCOPES

    made_at = now()
    checked_id(workspace, "--workspace")
    scopes = [chosen(text, KEY_SCOPES, "--scope") for text in dict.fromkeys(scope)] if scope else list(DEFAULT_SCOPES)
    apps = [checked_id(app_id, "--app") for app_id in dict.fromkeys(app or [])]
    expires_at = made_at + duration(expires, "--expires") if expires else None
    limits = (requests_per_minute, read_s_per_minute, exports_at_once)
    email = person.lower() if person else None
    with accounts_of(data_dir) as accounts:
        text, key = accounts.create_key(
            workspace, made_at, name=name, scopes=scopes, app_ids=apps, expires_at=expires_at, email=email, limits=limits
        )  # fmt: skip
    _show(text, key)


def rotate(
    prefix: Annotated[str, typer.Argument(help="Prefix of the key, as `keys list` shows it.")],
    overlap: Annotated[str, typer.Option(help="How long the old key is still good: 1h, 7d.")] = "24h",
    data_dir: DataDir = None,
) -> None:
    """Make a key that takes the place of another, and print it, once; until the overlap is over both are good.

    The new one may do, see and use what the old one may, and lasts as long as that was made for.

    Example: quarterhour keys rotate 3f9a1c0b7d2e --overlap 7d
    """
    at = now()
    until = at + duration(overlap, "--overlap")
    with accounts_of(data_dir) as accounts:
        text, key = accounts.rotate_key(_prefix(prefix), at, until)
    typer.echo(f"{_prefix(prefix)} is good until {shown_instant(until)} at the latest.", err=True)
    _show(text, key)


def list_(workspace: Annotated[str | None, typer.Option(help="Only this workspace.")] = None, data_dir: DataDir = None) -> None:
    """List keys, without their secrets.

    Example: quarterhour keys list --workspace acme
    """
    with accounts_of(data_dir) as accounts:
        keys = accounts.list_keys(workspace)
        people = {(person.workspace_id, person.person_id): person.email for person in accounts.list_people(workspace)}
    if not keys:
        typer.echo("No keys. Make one: quarterhour keys create --workspace <id>", err=True)
    for key in keys:
        typer.echo(_line(key, people.get((key.workspace_id, key.person_id or 0), "nobody any more") if key.person_id else ""))


def revoke(prefix: Annotated[str, typer.Argument(help="Prefix of the key, as `keys list` shows it.")], data_dir: DataDir = None) -> None:
    """Refuse a key from now on.

    Example: quarterhour keys revoke 3f9a1c0b7d2e
    """
    with accounts_of(data_dir) as accounts:
        known = accounts.revoke_key(_prefix(prefix), now())
    if not known:
        typer.echo("There is no key with this prefix. `quarterhour keys list` shows them.", err=True)
        raise typer.Exit(1)
    typer.echo("Revoked.", err=True)


def _prefix(text: str) -> str:
    """A whole key is taken for its prefix: that is what lies in the clipboard."""
    return text.removeprefix("qh_").partition("_")[0]


def _show(text: str, key: ApiKey) -> None:
    typer.echo(f"A key for {_line(key, '')}. Keep it now: it cannot be shown again.", err=True)
    typer.echo(text)


def _line(key: ApiKey, person: str) -> str:
    limits = {"requests/min": key.requests_per_minute, "s of reading/min": key.read_s_per_minute, "exports at once": key.exports_at_once}
    own = ", ".join(f"{number} {what}" for what, number in limits.items() if number)
    used = f"used {shown_instant(key.last_used_at)}" if key.last_used_at else "never used"
    parts = (f"{key.prefix}  …{key.last_four}", key.workspace_id, shown_apps(key.app_ids), "+".join(key.scopes), _life(key), used, own, person, key.name)
    return "  ".join(part for part in parts if part)


def _life(key: ApiKey) -> str:
    made = f"made {shown_instant(key.created_at)}"
    if key.revoked_at:
        return f"{made}, revoked {shown_instant(key.revoked_at)}"
    end = f"{made}, expires {shown_instant(key.expires_at)}" if key.expires_at else f"{made}, does not expire"
    return f"{end}, replaced by {key.replaced_by}" if key.replaced_by else end

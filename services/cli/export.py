"""`quarterhour export`: fetch all sessions, conversations or refused events of a range as CSV, and keep the file only when it is whole.

Rule: a file has its name only when it is what its manifest says (services/cli/fetched.py). The key comes from the settings or from a file: a list of
processes shows arguments. Progress goes to standard error, the name of the file to standard output.
Exit codes: 0 whole, 1 refused or not whole (no file), 2 used wrongly, 69 the service does not answer.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.cli.fetched import Question


class What(StrEnum):
    """The lists that come as files."""

    SESSIONS = "sessions"
    CONVERSATIONS = "conversations"
    REJECTED = "rejected"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    what: Annotated[What, typer.Argument(help="The list.")] = What.SESSIONS,
    from_: Annotated[str | None, typer.Option("--from", help="Start: a day of the zone (2026-01-01), or an RFC 3339 instant.")] = None,
    to: Annotated[str | None, typer.Option(help="End, not included.")] = None,
    range_: Annotated[str | None, typer.Option("--range", help="Instead of --from and --to: 24h, 7d, 1w, 2w, 4w, 1m, 2m, 3m, 6m. Default: 1w.")] = None,
    timezone: Annotated[str, typer.Option(help="IANA time zone of days and of every time in the file.")] = "UTC",
    app_id: Annotated[list[str] | None, typer.Option(help="Only this app; may be repeated.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Only this channel; may be repeated.")] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="Only sessions of this type: usage, voice, alert; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; its manifest stands beside it. Default: the name that the service gives, here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")] = False,
    key_file: Annotated[Path | None, typer.Option(help="File with the API key. Default: the setting QUARTERHOUR_CLIENT__KEY.")] = None,
    url: Annotated[str | None, typer.Option(help="Query service. Default: QUARTERHOUR_CLIENT__URL, else the one of this machine.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the local stack to ask; default: the user's.")] = None,
) -> None:
    """Fetch a list of a range as CSV, checked against its manifest: rows, bytes, SHA-256, range and filters.

    Example: quarterhour export --from 2026-01-01 --to 2026-02-01 --timezone Asia/Kolkata --out january.csv --key-file ~/.quarterhour-key
    """
    from services.cli.errors import explained
    from services.cli.fetched import Service, fetch
    from services.local.find import stack_settings

    question = _question(what, {"range": range_, "from": from_, "to": to, "timezone": timezone}, {"app_id": app_id, "channel": channel, "type": type_})
    with explained():
        settings = stack_settings(data_dir)
        key = _key_of(key_file) if key_file else settings.client.key.get_secret_value()
        if not key:
            why = "set QUARTERHOUR_CLIENT__KEY, or name a file with --key-file. `quarterhour keys create` makes a key."
            raise typer.BadParameter(f"an API key is needed: {why}", param_hint="--key-file")
        address = url or settings.client.url or f"http://{settings.query.host}:{settings.query.port}"
        done = fetch(Service(address, key), question, out, replace=force)
    typer.echo(done.told, err=True)
    typer.echo(str(done.file))


def _key_of(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint="--key-file") from None


def _question(what: What, single: dict[str, str | None], lists: dict[str, list[str] | None]) -> Question:
    from services.cli.fetched import Question
    from services.query.periods import PeriodError, check_request

    asked = {name: text for name, text in single.items() if text is not None}
    try:
        check_request(asked)
    except PeriodError as error:
        raise typer.BadParameter(str(error), param_hint=f"--{error.field}") from None
    filters = {name: sorted(set(values)) for name, values in lists.items() if values}
    if unfit := {"sessions": set(), "conversations": {"type"}, "rejected": {"type", "channel", "app_id"}}[what.value] & filters.keys():
        raise typer.BadParameter(f"there is no such filter for {what.value}", param_hint=f"--{sorted(unfit)[0].replace('_', '-')}")
    return Question(what.value, asked, filters)

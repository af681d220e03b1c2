"""`quarterhour demo`: 90 days of a small platform through the real pipeline, and the trend that comes out of it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

WORKSPACE_SEED: Final = 1
WAIT_S_MAX: Final = 900
RANGES: Final = (("3m", "Usage by month"), ("2w", "Usage by day"))
COLUMNS: Final = {
    "billing_sessions": "billing sessions", "voice_sessions": "voice", "alert_sessions": "alerts", "conversations": "conversations",
    "concurrent_seats": "peak seats", "named_seats": "named seats", "agent_count": "agents",
}  # fmt: skip
"""Count of a trend -> heading."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    days: Annotated[int, typer.Option(min=1, max=730, help="Days of traffic to simulate.")] = 90,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the stack; default: the user's.")] = None,
    port_base: Annotated[int, typer.Option(help="First of the ports that the stack takes.")] = 19000,
) -> None:
    """Start the stack, simulate a platform, wait for its facts, and show the usage trend.

    With a terminal the stack stays up until `quarterhour down`; without one it is stopped again.

    Example: quarterhour demo --days 30
    """
    at = ["--data-dir", str(data_dir)] if data_dir is not None else []
    _quarterhour("up", "--detach", *at, "--port-base", str(port_base))
    try:
        _quarterhour("simulate", "--days", str(days), "--seed", str(WORKSPACE_SEED), *at)
        _quarterhour("wait", "--close", "--timeout", str(WAIT_S_MAX), *at)
        _show(data_dir)
    finally:
        if not sys.stdout.isatty():
            _quarterhour("down", *at)


def _show(data_dir: Path | None) -> None:
    from services.local.find import stack_settings
    from services.runtime.settings import child_environment

    settings = stack_settings(data_dir)
    workspace = _workspace(settings)
    create = [sys.executable, "-m", "services.cli", "keys", "create", "--workspace", workspace, "--name", "demo"]
    key = subprocess.run(create, check=True, stdout=subprocess.PIPE, text=True, env=child_environment(settings)).stdout.strip()
    address = f"http://{settings.query.host}:{settings.query.port}"
    for name, title in RANGES:
        _table(title, _get(f"{address}/v1/usage/trends?{urlencode({'range': name})}", key))
    typer.echo(f"\nThe usage page is {address}/ and this key reads workspace {workspace}:\n  {key}")
    typer.echo(f"  curl -H 'Authorization: Bearer {key}' '{address}/v1/usage/trends?range=3m'")


def _workspace(settings: Any) -> str:
    from services.runtime import clickhouse

    rows = clickhouse.connect(settings.clickhouse).query("SELECT workspace_id FROM v_billing_sessions GROUP BY 1 ORDER BY count() DESC LIMIT 1").result_rows
    if not rows:
        raise typer.Exit(1)
    return str(rows[0][0])


def _table(title: str, trend: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, caption=f"metered up to {trend['as_of']}")
    table.add_column("from")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right")
    for bucket in trend["buckets"]:
        table.add_row(bucket["start"][:10], *(_shown(bucket[name]) for name in COLUMNS))
    table.add_section()
    table.add_row("together", *(_shown(trend["totals"][name]) for name in COLUMNS))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _shown(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _get(url: str, key: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _quarterhour(*arguments: str) -> None:
    """Run one of our own commands, its output for the person; end with its exit code when it fails."""
    typer.echo(f"$ quarterhour {' '.join(arguments)}")
    code = subprocess.run([sys.executable, "-m", "services.cli", *arguments], check=False).returncode
    if code:
        raise typer.Exit(code)

"""The local ClickHouse as a part of the stack, and a helper that starts one for tests."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from services.local.jars import Say
from services.local.part import Part, Running, start


def clickhouse_part(data_dir: Path, port: int, users: Path | None = None) -> Part:
    """`data_dir` is its own directory; `users` a file made with `users.add_user`, or None for `default` without password."""
    home = data_dir.resolve()
    return Part(
        name="clickhouse",
        argv=(
            *(sys.executable, "-m", "services.local.clickhouse", "--data-dir", str(home), "--port", str(port)),
            *(("--users", str(users.resolve())) if users else ()),
        ),
        ready=partial(_is_ready, port),
        endpoint=f"http://127.0.0.1:{port}",
        ports=(port,),
        advice={"cannot be opened": "Move the directory away and start again; `quarterhour migrate` makes the tables, and the sink reads the facts again."},
    )


def start_clickhouse(data_dir: Path | str, port: int, say: Say | None = None) -> Running:
    """A server on 127.0.0.1:`port`, ready when this returns; its log is `data_dir`/clickhouse.log. Raises `PartError`."""
    home = Path(data_dir)
    return start(clickhouse_part(home, port), home / "clickhouse.log", say)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

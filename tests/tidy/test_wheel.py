"""A wheel holds all that the services look for, and works away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT, tracked

EXAMPLE = ROOT / "schemas" / "examples" / "valid" / "conversation.message.json"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installer would lay it down."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *arguments: str, stdin: str = "") -> str:
    command = (sys.executable, "-P", *arguments)
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(command, cwd=installed.parent, env=environment, input=stdin, check=True, capture_output=True, text=True).stdout


def test_every_file_of_the_rooms_the_tables_and_the_schemas_is_in_it(installed: Path) -> None:
    wanted = {path if path.parts[0] == "services" else Path("services") / path for path in tracked() if path.parts[0] in ("services", "sql", "schemas")}
    assert sorted(str(path) for path in wanted if not (installed / path).is_file()) == []


def test_the_commands_run_from_it_and_find_the_tables(installed: Path) -> None:
    look = "import services.cli; from services.runtime.migrations import read_migrations; print(services.__file__, len(read_migrations('clickhouse')))"
    place, files = run(installed, "-c", look).split()
    assert place.startswith(str(installed))
    assert int(files) == len(list((ROOT / "sql" / "clickhouse").glob("*.sql")))
    assert "up" in run(installed, "-m", "services.cli", "--help")


def test_it_meters_a_file(installed: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps(json.loads(EXAMPLE.read_text())) + "\n")
    assert '"usage.billing-sessions.v1"' in run(installed, "-m", "services.cli", "meter", str(events))

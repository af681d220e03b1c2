"""`quarterhour rebuild`: the number of the generation, and who may raise it. (What a rebuild gives: tests/contract/test_rebuild.)"""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from services.cli import app
from services.local.plan import PORT_BASE, make_plan
from services.local.state import StackState, held, read_generation, write_state


def test_a_rebuild_is_a_generation_more_from_the_next_start_on(home: Path) -> None:
    write_state(home, StackState("stopped", 0, 0.0, str(home), PORT_BASE, 1, {}, []))
    for _ in range(2):
        assert CliRunner().invoke(app, ["rebuild", "--data-dir", str(home)]).exit_code == 0

    assert read_generation(home) == 3
    assert make_plan(home).settings().processors.generation == 3


def test_a_rebuild_of_a_running_stack_is_refused(home: Path) -> None:
    write_state(home, StackState("ready", 0, 0.0, str(home), PORT_BASE, 1, {}, []))
    with held(home):
        refused = CliRunner().invoke(app, ["rebuild", "--data-dir", str(home)])

    assert refused.exit_code == 1
    assert "quarterhour down" in refused.output
    assert read_generation(home) == 1


def test_a_rebuild_with_brokers_of_ones_own_says_what_to_do(home: Path) -> None:
    told = CliRunner().invoke(app, ["rebuild", "--data-dir", str(home)])

    assert told.exit_code == 0
    assert "QUARTERHOUR_PROCESSORS__GENERATION=2" in told.output

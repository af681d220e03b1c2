"""A stack as a whole, with small child processes in place of the real parts: lock, state, orphans, ports, and the settings that others find."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.local import processes
from services.local.find import stack_settings
from services.local.part import Part, PartError, Say, require_free
from services.local.plan import Plan, Ports, make_plan
from services.local.stack import run_stack, start_detached, stop_stack
from services.local.state import StackState, held, is_running, read_environment, read_state, write_environment
from services.local.status import as_text, gather
from services.local.supervisor import Stage
from tests.local.children import journal, service
from tests.parts.ports import free_port

PORTS = Ports(free_port(20))


class SmallPlan(Plan):
    """Two children in two stages; everything else is the real plan's."""

    def _small(self) -> list[Part]:
        return [service("kafka", self.data_dir, ports=(self.ports.kafka,)), service("ingest", self.data_dir)]

    def parts(self) -> list[Part]:
        return self._small()

    def stages(self) -> list[Stage]:
        return [[part] for part in self._small()]


RUN = """
import sys
from pathlib import Path
from tests.local.test_stack import Ports, SmallPlan
from services.local.stack import leave, run_stack
leave(run_stack(SmallPlan(Path(sys.argv[1]), Ports(int(sys.argv[2])), 1)))
"""


@contextmanager
def stack(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor as a process of its own, ready; ended at the end if the test did not."""
    process = subprocess.Popen([sys.executable, "-c", RUN, str(home), str(PORTS.base)], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(home, process.pid)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=20)


def state(home: Path) -> StackState:
    found = read_state(home)
    assert found
    return found


def wait_for(home: Path, pid: int) -> None:
    deadline = time.monotonic() + 20
    while (found := read_state(home)) is None or (found.pid, found.state) != (pid, "ready"):
        assert time.monotonic() < deadline, "the stack did not become ready"
        time.sleep(0.05)


def test_down_stops_the_stack_in_the_reverse_order(home: Path, said: list[str]) -> None:
    with stack(home) as process:
        assert stop_stack(home, said.append) is True
        assert process.wait(10) == 0
    assert journal(home) == ["start kafka", "start ingest", "stop ingest", "stop kafka"]
    assert state(home).state == "stopped"
    assert not is_running(home)


def test_down_without_a_stack_says_so(home: Path, said: list[str]) -> None:
    assert stop_stack(home, said.append) is False


def test_down_is_harmless_after_down(home: Path, said: list[str]) -> None:
    with stack(home):
        stop_stack(home, said.append)
    assert stop_stack(home, said.append) is False


def test_ctrl_c_stops_it_as_down_does(home: Path) -> None:
    with stack(home) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert journal(home)[-1] == "stop kafka"


def test_a_second_stack_on_the_same_directory_is_refused_and_changes_nothing(home: Path) -> None:
    with stack(home):
        before = state(home)
        second = subprocess.run([sys.executable, "-c", RUN, str(home), str(PORTS.base)], capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert "A stack runs on" in second.stderr
        assert "quarterhour down" in second.stderr
        assert state(home) == before


def test_a_port_that_is_taken_is_named_with_its_holder_and_the_way_out(home: Path) -> None:
    with socket.create_server(("127.0.0.1", PORTS.kafka)):
        refused = subprocess.run([sys.executable, "-c", RUN, str(home), str(PORTS.base)], capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 1
    assert f"Port {PORTS.kafka}, which kafka needs" in refused.stderr
    assert f"process {os.getpid()}" in refused.stderr
    assert "--port-base" in refused.stderr
    assert journal(home) == []


def test_what_a_killed_supervisor_left_running_is_ended_by_the_next_start(home: Path) -> None:
    with stack(home) as process:
        orphans = [(part.pid, part.started) for part in state(home).parts]
        process.kill()
        process.wait()
        assert not is_running(home)
    with stack(home):
        assert not any(processes.is_same(pid, started) for pid, started in orphans)
    assert journal(home)[:4] == ["start kafka", "start ingest", "stop ingest", "stop kafka"]


def test_down_ends_what_a_killed_supervisor_left_running(home: Path, said: list[str]) -> None:
    with stack(home) as process:
        process.kill()
        process.wait()
        stop_stack(home, said.append)
    assert journal(home)[2:] == ["stop ingest", "stop kafka"]


def test_a_process_that_only_has_the_pid_of_an_orphan_is_left_alone(home: Path) -> None:
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        processes.end(innocent.pid, processes.started_at(innocent.pid) - 3600, signal.SIGTERM, 1)
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_the_environment_file_is_for_the_owner_alone_and_can_be_sourced(home: Path) -> None:
    write_environment(home, {"QUARTERHOUR_POSTGRES__DSN": "postgresql://u:p'w @h/d"})
    assert (home / "env").stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(["sh", "-c", f'. "{home / "env"}"; printf %s "$QUARTERHOUR_POSTGRES__DSN"'], capture_output=True, text=True, check=True)
    assert shown.stdout == "postgresql://u:p'w @h/d"
    assert read_environment(home) == {"QUARTERHOUR_POSTGRES__DSN": "postgresql://u:p'w @h/d"}


def test_other_commands_find_the_running_stack(home: Path) -> None:
    with stack(home):
        assert stack_settings(home).kafka.bootstrap_servers == f"127.0.0.1:{PORTS.kafka}"


def test_the_environment_wins_over_the_running_stack(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS", "elsewhere:9092")
    with stack(home):
        assert stack_settings(home).kafka.bootstrap_servers == "elsewhere:9092"
        assert stack_settings(home).query.port == PORTS.query


def test_a_stack_that_has_stopped_is_not_found(home: Path, said: list[str]) -> None:
    with stack(home):
        stop_stack(home, said.append)
    assert stack_settings(home).kafka.bootstrap_servers != f"127.0.0.1:{PORTS.kafka}"


@pytest.mark.parametrize("start", [run_stack, start_detached])
def test_a_data_directory_that_cannot_be_made_is_named_with_the_way_out(home: Path, said: list[str], start: Callable[[Plan, Say], int]) -> None:
    (home / "file").touch()

    assert start(make_plan(home / "file"), said.append) == 1
    assert said == [f"{home}/file cannot be a data directory (Not a directory: {home}/file/logs). Choose one that can be written: --data-dir."]


def test_the_lock_is_free_again_after_the_block(home: Path) -> None:
    with held(home), pytest.raises(PartError, match="runs on"), held(home):
        pass
    with held(home):
        pass


def test_status_of_a_directory_without_a_stack_tells_how_to_start_one(home: Path) -> None:
    report = gather(home)
    assert report["state"] == "absent"
    assert "quarterhour up" in as_text(report)


def test_status_shows_parts_of_a_stack_whose_supervisor_was_killed(home: Path, said: list[str]) -> None:
    with stack(home) as process:
        process.kill()
        process.wait()
        report = gather(home)
        assert report["state"] == "crashed"
        assert json.dumps(report)
        assert "`quarterhour up` ends what is left" in as_text(report)
        stop_stack(home, said.append)


def test_a_free_port_is_accepted() -> None:
    require_free(PORTS.query, "query")

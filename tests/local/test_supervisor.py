"""The supervisor with real child processes: order, readiness, restarts with pauses, what is not restarted, and a clean stop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services.local import supervisor as module
from services.local.part import PartError
from services.local.supervisor import Child, Stage, Step, Supervisor
from tests.local.children import journal, service

NEVER_READY = "import time; time.sleep(60)"
DIES = "import sys; print('my last words'); sys.exit(7)"
BAD_SETTINGS = "import sys; print('no such setting'); sys.exit(2)"
DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[2], sys.argv[1] + ".ready").touch()
time.sleep(60)
"""
LATE = """
import pathlib, sys, time
home = pathlib.Path(sys.argv[2])
if not (home / "tried").exists():
    (home / "tried").touch()
    sys.exit(69)
(home / "late.ready").touch()
time.sleep(60)
"""


def run(stages: list[Stage], home: Path, said: list[str], while_ready: Callable[[Supervisor], Awaitable[None]]) -> Supervisor:
    """Start the stages, do something while they are ready, stop them."""

    async def go() -> Supervisor:
        supervisor = Supervisor(stages, home / "logs", said.append)
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(supervisor.run(stop, ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if ready.is_set():
            await while_ready(supervisor)
        stop.set()
        await running
        return supervisor

    return asyncio.run(go())


async def nothing(_supervisor: Supervisor) -> None:
    """Stop at once."""


async def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def child(supervisor: Supervisor, name: str) -> Child:
    return next(child for child in supervisor.children if child.part.name == name)


def test_a_stage_starts_when_the_one_before_is_ready_and_stops_before_it(home: Path, said: list[str]) -> None:
    run([[service("base", home)], [service("top", home)]], home, said, nothing)
    assert journal(home) == ["start base", "start top", "stop top", "stop base"]


def test_a_step_runs_between_its_stages(home: Path, said: list[str]) -> None:
    def note(_say: object) -> None:
        with (home / "journal").open("a") as file:
            file.write("step\n")

    run([[service("base", home)], Step("migrations", note), [service("top", home)]], home, said, nothing)
    assert journal(home)[:3] == ["start base", "step", "start top"]


def test_a_step_that_fails_stops_what_was_started(home: Path, said: list[str]) -> None:
    def fail(_say: object) -> None:
        raise RuntimeError("no such table")

    with pytest.raises(RuntimeError, match="no such table"):
        run([[service("base", home)], Step("migrations", fail)], home, said, nothing)
    assert journal(home) == ["start base", "stop base"]


def test_a_part_that_dies_at_the_start_fails_it_with_its_last_words(home: Path, said: list[str]) -> None:
    with pytest.raises(PartError, match="exit code 7") as failure:
        run([[service("base", home)], [service("top", home, DIES)]], home, said, nothing)
    assert "my last words" in str(failure.value)
    assert journal(home) == ["start base", "stop base"]


def test_a_part_that_never_becomes_ready_fails_the_start_and_is_ended(home: Path, said: list[str]) -> None:
    with pytest.raises(PartError, match="was not ready after 1 s"):
        run([[service("slow", home, NEVER_READY, ready_s=1.0)]], home, said, nothing)


def test_advice_follows_a_known_text_in_the_log(home: Path, said: list[str]) -> None:
    part = service("top", home, DIES, advice={"my last words": "Say something else."})
    with pytest.raises(PartError, match=r"Say something else\."):
        run([[part]], home, said, nothing)


def test_a_part_may_have_several_tries_at_its_start(home: Path, said: list[str]) -> None:
    supervisor = run([[service("late", home, LATE, tries_at_start=2)]], home, said, nothing)
    assert child(supervisor, "late").state == "stopped"


def test_a_part_that_is_killed_comes_back_as_another_process(home: Path, said: list[str]) -> None:
    async def kill_it(supervisor: Supervisor) -> None:
        base = child(supervisor, "base")
        assert base.process
        first = base.process.pid
        (home / "base.ready").unlink()
        os.kill(first, signal.SIGKILL)
        await until(lambda: base.restarts == 1 and base.state == "ready")
        assert base.process.pid != first

    run([[service("base", home)]], home, said, kill_it)
    assert journal(home) == ["start base", "start base", "stop base"]
    assert any("was ended by SIGKILL" in line for line in said)


def test_a_part_with_unusable_settings_is_not_started_again_and_the_others_go_on(home: Path, said: list[str]) -> None:
    turns_bad = "import pathlib, sys, time; pathlib.Path(sys.argv[2], 'bad.ready').touch(); time.sleep(0.5); print('no such setting'); sys.exit(2)"

    async def wait(supervisor: Supervisor) -> None:
        await until(lambda: child(supervisor, "bad").state == "failed")
        await asyncio.sleep(0.8)
        assert child(supervisor, "bad").restarts == 0
        assert child(supervisor, "good").running

    run([[service("good", home), service("bad", home, turns_bad)]], home, said, wait)
    assert any("no such setting" in line for line in said)


def test_unusable_settings_at_the_start_are_tried_once(home: Path, said: list[str]) -> None:
    counts = "import pathlib, sys; open(pathlib.Path(sys.argv[2], 'journal'), 'a').write('start\\n'); sys.exit(2)"
    with pytest.raises(PartError):
        run([[service("bad", home, counts, tries_at_start=3)]], home, said, nothing)
    assert journal(home) == ["start"]


def test_the_pause_doubles_with_each_death_of_a_crash_loop(home: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_FIRST_S", 0.1)
    once = "import pathlib, sys, time; f = pathlib.Path(sys.argv[2], 'loop.ready')\nif f.exists(): sys.exit(1)\nf.touch(); time.sleep(0.2)"

    async def wait(supervisor: Supervisor) -> None:
        await until(lambda: child(supervisor, "loop").restarts >= 3)

    run([[service("loop", home, once)]], home, said, wait)
    pauses = [line.split("again in ")[1].split(" s")[0] for line in said if "again in" in line]
    assert pauses[:3] == ["0.1", "0.2", "0.4"]


def test_a_part_that_ignores_the_stop_is_killed_in_time(home: Path, said: list[str]) -> None:
    began = time.monotonic()
    supervisor = run([[service("deaf", home, DEAF, stop_s=0.5)]], home, said, nothing)
    assert time.monotonic() - began < 5
    assert child(supervisor, "deaf").running is False
    assert "deaf did not stop and is killed" in said


def test_a_stop_during_the_start_stops_what_was_begun(home: Path, said: list[str]) -> None:
    async def go() -> None:
        supervisor = Supervisor([[service("base", home)], [service("slow", home, NEVER_READY)]], home / "logs", said.append)
        stop = asyncio.Event()
        running = asyncio.create_task(supervisor.run(stop, lambda: pytest.fail("it was not ready")))
        await until(lambda: child(supervisor, "slow").state == "starting")
        stop.set()
        await running
        assert not any(each.running for each in supervisor.children)

    asyncio.run(go())
    assert journal(home) == ["start base", "stop base"]


def test_a_log_that_is_too_large_is_turned_over_at_the_next_start(home: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_BYTES_MAX", 10)
    (home / "logs").mkdir()
    (home / "logs" / "base.log").write_text("words of long ago")
    run([[service("base", home)]], home, said, nothing)
    assert (home / "logs" / "base.log.1").read_text() == "words of long ago"
    assert "long ago" not in (home / "logs" / "base.log").read_text()

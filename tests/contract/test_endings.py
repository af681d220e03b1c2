"""Whatever breaks inside the engine ends the process with a code of its own: none of these did so by itself."""

from __future__ import annotations

import time

import pytest

from services.processors.exits import Exit
from tests.processors.stage import PARTITIONS, Process, Stage

WAIT_S = 200.0
STALL_S = 10.0


def _ends(stage: Stage, worker: Process) -> int:
    """Its exit code, while messages keep coming."""
    deadline = time.monotonic() + WAIT_S
    while (code := worker.popen.poll()) is None:
        assert time.monotonic() < deadline, worker.text()[-3000:]
        stage.send(1)
        time.sleep(0.2)
    return code


@pytest.mark.parametrize("fault", ["reading_a_message_raises", "the_fetching_task_dies"])
def test_a_crash_that_faust_only_logs_ends_the_process(stage: Stage, fault: str) -> None:
    stage.make_topics()
    worker = stage.run("tests.contract.broken_worker", fault)

    assert _ends(stage, worker) == Exit.READING
    assert "Faust or aiokafka has crashed" in worker.text()


@pytest.mark.parametrize("fault", ["nothing_is_committed", "messages_never_arrive"])
def test_a_worker_that_has_messages_and_does_not_move_ends(stage: Stage, fault: str) -> None:
    stage.make_topics()
    worker = stage.run("tests.contract.broken_worker", fault, stall_s=STALL_S)

    assert _ends(stage, worker) == Exit.STALLED
    assert "has messages, and nothing of it was made durable" in worker.text()


def test_an_event_loop_that_hangs_ends_the_process(stage: Stage) -> None:
    stage.make_topics()
    worker = stage.run("tests.processors.worker_process", "0", "1000", "0", stall_s=STALL_S)

    assert _ends(stage, worker) == Exit.STALLED


def test_state_that_the_brokers_refuse_ends_the_process_and_nothing_is_committed(stage: Stage) -> None:
    """Faust's own way of writing state only logs a failed delivery, and commits."""
    stage.make_topics()
    stage.limit_records(stage.state_topic, size_bytes_max=80)
    stage.send(20)
    worker = stage.start()

    assert worker.wait(WAIT_S) == Exit.RESTART
    assert stage.committed() == [0] * PARTITIONS

"""Contracts of the whole worker, as processes on a real broker. Every one of them failed with stock Faust, or would with one guard less."""

from __future__ import annotations

import signal

import pytest

from services.processors.exits import Exit
from services.processors.state import page_key
from tests.processors.counting import PAGES, encode_record
from tests.processors.stage import PARTITIONS, Stage


def test_restarts_under_backlog_leave_no_hole(stage: Stage) -> None:
    stage.make_topics()
    stage.send(500)
    for number in (signal.SIGTERM, signal.SIGKILL):
        before = sum(stage.committed())
        worker = stage.start(instance="a", apply_s=0.001)
        stage.wait_for_progress(before + 100)
        worker.signal(number)
        assert worker.wait() == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    last = stage.start(instance="a")
    stage.wait_until_done()
    assert stage.facts() == stage.sent
    assert "was expected" not in last.text()


def test_a_clean_stop_acknowledges_all_that_was_applied(stage: Stage) -> None:
    stage.make_topics()
    stage.send(300)
    worker = stage.start(apply_s=0.002)
    stage.wait_for_progress(1)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert max(revision for _, revision in stage.revisions()) < max(stage.committed())


def test_two_workers_share_and_hand_over_without_loss(stage: Stage) -> None:
    stage.make_topics()
    stage.send(600)
    first = stage.start(apply_s=0.003)
    stage.wait_for_progress(50)
    second = stage.start(apply_s=0.003)
    stage.wait_for_text(second, "partitions restored")
    stage.wait_for_progress(sum(stage.committed()) + 100)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    stage.wait_until_done()
    assert stage.facts() == stage.sent


def test_a_fact_that_is_refused_ends_the_worker_and_nothing_is_committed(stage: Stage) -> None:
    stage.make_topics(facts_bytes_max=1_000)
    stage.send(20)
    # A long session: on a busy machine a worker may stand still for seconds, and would end for that reason first.
    worker = stage.start(padding_bytes=5_000, session_s=60.0)
    assert worker.wait() == Exit.RESTART, worker.text()[-3000:]
    assert "was not accepted" in worker.text()
    assert stage.committed() == [0] * PARTITIONS


def test_a_hole_in_the_messages_ends_the_worker_before_anything_behind_it(stage: Stage) -> None:
    stage.make_topics()
    stage.send(20)
    stage.leave_a_hole(partition=1)
    stage.send_to(1, [1])
    stage.flush()
    worker = stage.start(session_s=60.0)
    assert worker.wait() == Exit.RESTART, worker.text()[-3000:]
    assert "Partition 1: offset 21 was expected, 22 came" in worker.text()
    assert stage.committed()[1] <= 21


def test_a_stale_record_of_a_paused_worker_does_not_bring_old_state_back(stage: Stage) -> None:
    stage.make_topics()
    stage.send(40)
    run_until_done(stage)
    stage.append_state({page_key(0, page): encode_record(3, {page: 1}) for page in range(0, PAGES, PARTITIONS)})
    stage.send(40, first=40)
    run_until_done(stage)
    assert stage.facts() == stage.sent


def test_damaged_state_is_refused_and_lost_state_is_not_begun_anew(stage: Stage) -> None:
    stage.make_topics()
    stage.send(20)
    run_until_done(stage)
    stage.append_state({page_key(0, 0): (10**6).to_bytes(8, "big") + b"not a page"})
    reader_of_damage = stage.start()
    assert reader_of_damage.wait() == Exit.STATE
    assert "checksum" in reader_of_damage.text()
    stage.empty_state()
    reader_of_nothing = stage.start()
    assert reader_of_nothing.wait() == Exit.STATE
    assert "holds no position" in reader_of_nothing.text()


@pytest.mark.campaign
def test_kills_at_random_moments_lose_nothing_and_count_nothing_twice(stage: Stage) -> None:
    stage.make_topics()
    stage.send(1500)
    for _ in range(10):
        worker = stage.start(instance="a", apply_s=0.001, kill_after_s_max=8.0)
        assert worker.wait() == -signal.SIGKILL, worker.text()[-2000:]
    stage.start(instance="a")
    stage.wait_until_done(90)
    assert stage.facts() == stage.sent


@pytest.mark.campaign
def test_kills_while_two_workers_rebalance_lose_nothing(stage: Stage) -> None:
    stage.make_topics()
    stage.send(2000)
    steady = stage.start(apply_s=0.002)
    stage.wait_for_progress(20)
    for _ in range(5):
        worker = stage.start(apply_s=0.002, kill_after_s_max=9.0)
        assert worker.wait() == -signal.SIGKILL, worker.text()[-2000:]
    stage.wait_until_done(120)
    assert steady.popen.poll() is None, steady.text()[-2000:]
    assert stage.facts() == stage.sent


@pytest.mark.campaign
def test_a_worker_that_was_paused_past_its_session_leaves_and_does_no_harm(stage: Stage) -> None:
    stage.make_topics()
    stage.send(1500)
    paused = stage.start(apply_s=0.002)
    stage.wait_for_progress(50)
    stage.start(apply_s=0.002)
    stage.wait_for_progress(sum(stage.committed()) + 50)
    paused.signal(signal.SIGSTOP)
    stage.wait_for_progress(sum(stage.committed()) + 1500, 60)
    paused.signal(signal.SIGCONT)
    assert paused.wait() == Exit.PAUSED
    stage.wait_until_done(90)
    assert stage.facts() == stage.sent


def run_until_done(stage: Stage) -> None:
    worker = stage.start(instance="a")
    stage.wait_until_done()
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0

"""`quarterhour simulate`: the same bytes to a file and to Kafka, and real time."""

from __future__ import annotations

from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from services.cli.simulate import in_real_time
from services.events.times import parse_ms
from services.events.topics import RAW_TOPICS
from services.local.traffic import TrafficSettings, traffic
from services.local.traffic.stream import EVENTS_PER_CONVERSATION
from services.runtime.clock import wall_ms
from tests.cli.conftest import Log, Run

WEEK = ("--start", "2026-03-02", "--days", 2, "--seed", 7, "--conversations-per-day", 100)


def test_the_same_options_write_the_same_file(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run("simulate", *WEEK, "--noise", "--out", tmp_path / name).exit_code == 0
    written = (tmp_path / "a").read_bytes()
    assert written == (tmp_path / "b").read_bytes()
    assert written.count(b"\n") > 1_000


def test_kafka_gets_what_the_file_gets(log: Log, run: Run, tmp_path: Path) -> None:
    run("simulate", *WEEK, "--out", tmp_path / "events")
    assert run("simulate", *WEEK).exit_code == 0
    assert Counter(record.value for record in log.read(*RAW_TOPICS)) == Counter((tmp_path / "events").read_bytes().splitlines())


def test_without_a_start_history_ends_now(run: Run) -> None:
    result = run("simulate", "--days", 1, "--out", "-")
    last_ms = max(parse_ms(line.split(b'"time":"')[1][:24].decode()) for line in result.stdout_bytes.splitlines())
    assert wall_ms() - 2 * 3_600_000 < last_ms <= wall_ms()


def test_a_start_in_the_future_is_refused_for_kafka(run: Run) -> None:
    result = run("simulate", "--start", "2999-01-01")
    assert (result.exit_code, "--out" in result.stderr) == (2, True)


def test_a_start_that_is_no_day_is_refused(run: Run) -> None:
    result = run("simulate", "--start", "31.1.2026", "--out", "-")
    assert (result.exit_code, "2026-01-31" in result.stderr) == (2, True)


def test_in_real_time_no_line_comes_before_its_instant() -> None:
    began_ms = wall_ms()
    timed = [(began_ms - 5_000, b"past"), (began_ms + 150, b"a"), (began_ms + 300, b"b")]
    seen = [(line, wall_ms() - began_ms) for line in in_real_time(timed, wall_ms)]
    assert [line for line, _ in seen] == [b"past", b"a", b"b"]
    assert seen[1][1] >= 150
    assert seen[2][1] >= 300


def test_a_steady_load_has_the_number_of_events_that_live_traffic_counts_on() -> None:
    start_ms = parse_ms("2026-03-02T00:00:00Z")
    settings = TrafficSettings(start_ms, start_ms + 6 * 3_600_000, agents=0, conversations_per_day=4_000, steady=True, lead_in_ms=3_600_000)
    events = sum(1 for _, _ in zip(traffic(settings), count(), strict=False))
    assert events / 1_000 == pytest.approx(EVENTS_PER_CONVERSATION, rel=0.1)

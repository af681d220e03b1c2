"""`quarterhour emit` on a real broker: every line arrives, on its topic, with the log time of E7."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from services.cli.heads import read_head, records
from services.events.times import parse_ms
from services.events.topics import AGENTS, ALERTS, CONVERSATIONS, RAW_TOPICS, VOICE
from services.runtime.clock import wall_ms
from tests.cli.conftest import Log, Run

OLD = "2026-01-31T08:00:00Z"


def line(kind: str, time: str = OLD, subject: str = "s") -> bytes:
    return json.dumps({"type": kind, "time": time, "subject": subject}).encode()


@pytest.mark.parametrize(
    ("text", "topic", "key", "time_ms"),
    [
        (line("conversation.message"), CONVERSATIONS, "s", parse_ms(OLD)),
        (line("voice.started"), VOICE, "s", parse_ms(OLD)),
        (line("alert.failed"), ALERTS, "s", parse_ms(OLD)),
        (line("agent.logged_in"), AGENTS, "s", parse_ms(OLD)),
        (line("agent"), AGENTS, "s", parse_ms(OLD)),
        (line("agents.none"), CONVERSATIONS, "s", parse_ms(OLD)),
        (line("voice.started", time="yesterday"), VOICE, "s", None),
        (line("voice.started", subject="s" * 257), VOICE, None, parse_ms(OLD)),
        (b'{"type":"voice.started"}', VOICE, None, None),
        (b'{"type":"voice.started","time":7,"subject":[]}', VOICE, None, None),
        (b'{"type":5}', CONVERSATIONS, None, None),
        (b'["type"]', CONVERSATIONS, None, None),
        (b"", CONVERSATIONS, None, None),
        (b"\xff\xfe", CONVERSATIONS, None, None),
        (b'{"type":"\\ud800"}', CONVERSATIONS, None, None),
        (b"[" * 100_000, CONVERSATIONS, None, None),
    ],
)
def test_of_any_line_topic_key_and_time_are_read_as_far_as_they_can_be(text: bytes, topic: str, key: str | None, time_ms: int | None) -> None:
    assert read_head(text) == (topic, key, time_ms)


def test_blank_lines_at_the_end_are_no_records_but_others_are() -> None:
    assert list(records([b"a\n", b"\n", b"b\r\n", b" \n", b"\n"])) == [b"a", b"", b"b"]


def test_every_line_arrives_once_and_unchanged_even_what_is_no_event(log: Log, run: Run, tmp_path: Path) -> None:
    lines = [line("conversation.started"), b"no JSON", b"", line("voice.ended"), b"\xff"] + [line("agent.assigned", subject=str(n)) for n in range(3_000)]
    (tmp_path / "events").write_bytes(b"\n".join(lines))
    result = run("emit", tmp_path / "events")
    assert (result.exit_code, "3,005 of 3,005 events written" in result.stderr) == (0, True)
    assert Counter(record.value for record in log.read(*RAW_TOPICS)) == Counter(lines)
    assert len(log.read(CONVERSATIONS)) == 4


def test_the_log_time_is_the_greatest_event_time_so_far_and_an_event_from_the_future_moves_nothing(log: Log, run: Run) -> None:
    times = ["2026-01-31T08:00:00Z", "2026-01-31T09:00:00Z", "9999-01-01T00:00:00Z", "2026-01-31T08:30:00Z", "0001-01-01T00:00:00Z"]
    run("emit", "-", stdin=b"\n".join(line("voice.started", time) for time in times))
    eight, nine = parse_ms(times[0]), parse_ms(times[1])
    assert [record.log_ms for record in log.read(VOICE)] == [eight, nine, nine, nine, nine]


def test_records_of_one_subject_stay_in_order(log: Log, run: Run) -> None:
    run("emit", "-", stdin=b"\n".join(line("voice.progress", f"2026-01-31T08:00:00.{n:03d}Z", subject=f"call {n % 7}") for n in range(700)))
    calls: dict[bytes | None, list[bytes]] = {}
    for record in log.read(VOICE):
        calls.setdefault(record.key, []).append(record.value)
    assert len(calls) == 7
    assert all(values == sorted(values) for values in calls.values())


def test_a_line_that_the_broker_does_not_take_is_named_and_the_others_are_written(log: Log, run: Run) -> None:
    huge = line("voice.started")[:-1] + b',"x":"' + bytes(range(48, 91)).replace(b"\\", b"") * 500_000 + b'"}'
    result = run("emit", "-", stdin=b"\n".join([line("voice.started"), huge, line("voice.ended")]))
    assert result.exit_code == 1
    assert "2 of 3 events written" in result.stderr
    assert "line 2 is larger than the broker takes" in result.stderr
    assert len(log.read(VOICE)) == 2


def test_a_rate_is_kept(log: Log, run: Run) -> None:
    began_ms = wall_ms()
    run("emit", "-", "--rate", 100, stdin=b"\n".join([line("voice.started")] * 101))
    assert wall_ms() - began_ms >= 1_000
    assert len(log.read(VOICE)) == 101


def test_a_file_that_is_not_there_is_named(run: Run) -> None:
    result = run("emit", "no-such-file")
    assert (result.exit_code, "no-such-file" in result.stderr) == (2, True)

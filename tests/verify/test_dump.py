"""`quarterhour dump`: the raw log as it is, and `meter` on it gives what `meter` gives on the events themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.cli.proof.dump_lines import NoDumpLine, dump_line, read_dump_line
from services.cli.proof.record import Record
from services.events.times import parse_ms
from services.events.topics import AGENTS, CONVERSATIONS, RAW_TOPICS, REJECTED
from tests.cli.conftest import Log, Run


@pytest.mark.parametrize("value", [b'{"a": "\xc3\xa4\\u0000"}', b"", None, b"\xff\xfe", b"not JSON", b'{"text":"a\\nb"}'])
def test_a_line_gives_back_every_record_byte_by_byte(value: bytes | None) -> None:
    record = Record(CONVERSATIONS, 3, 2**40, 9_007_199_254_740_993, value)
    line = dump_line(record)
    assert b"\n" not in line
    assert read_dump_line(line) == record


@pytest.mark.parametrize("line", [b"{}", b'{"specversion":"1.0"}', b"[]", b"nonsense", b'{"topic":"t","partition":0,"offset":0,"log_time_ms":0,"log_time":""}'])
def test_what_is_no_line_of_a_dump_is_told(line: bytes) -> None:
    with pytest.raises(NoDumpLine):
        read_dump_line(line)


def facts(text: str) -> dict[str, dict[str, Any]]:
    """By id, without what the cut of the log decides: revisions, and the origins of refusals."""
    found = {}
    for fact in map(json.loads, text.splitlines()):
        refused = fact["topic"] == REJECTED
        ident = f"{fact['log_time']} {fact['payload_base64']}" if refused else fact[list(fact)[1]]
        left_out = {"revision", "rejected_id", "source_topic", "source_partition", "source_offset"}
        found[ident] = {name: value for name, value in fact.items() if name not in left_out}
    return found


@pytest.fixture
def events(tmp_path: Path, run: Run) -> Path:
    """Two days of noisy traffic of two workspaces."""
    path = tmp_path / "events.jsonl"
    run("simulate", "--start", "2026-03-01", "--days", 2, "--conversations-per-day", 60, "--workspaces", 2, "--agents", 3, "--noise", "--out", path)
    return path


def test_meter_of_a_dump_is_meter_of_the_events_that_were_emitted(log: Log, run: Run, events: Path, tmp_path: Path) -> None:
    assert run("emit", events).exit_code == 0
    dumped = run("dump", "--out", tmp_path / "dump.jsonl")
    assert (dumped.exit_code, dumped.stderr) == (0, f"{len(log.read(*RAW_TOPICS)):,} records\n")

    of_events, of_dump = (facts(run("meter", path).stdout) for path in (events, tmp_path / "dump.jsonl"))

    assert of_dump == of_events
    assert len({fact["topic"] for fact in of_dump.values()}) == 6


def test_a_dump_holds_every_record_of_the_raw_log_by_log_time(log: Log, run: Run, events: Path) -> None:
    run("emit", events)
    dumped = [read_dump_line(line) for line in run("dump").stdout_bytes.splitlines()]
    written = [(r.topic, r.partition, r.offset, r.log_ms, r.value) for r in log.read(*RAW_TOPICS)]
    assert sorted(map(tuple, dumped)) == written
    assert [record.log_ms for record in dumped] == sorted(record.log_ms for record in dumped)


def test_refused_records_of_a_dump_keep_their_origin_and_log_time(log: Log, run: Run, tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(b'{"type":"voice.ended","time":"2026-03-01T08:00:00Z"}\nno event\n\xff\n')
    run("emit", tmp_path / "events")
    refused = [json.loads(line) for line in run("meter", "-", stdin=run("dump").stdout_bytes).stdout.splitlines()]
    where = {f"{r.topic}/{r.partition}/{r.offset}": r.log_ms for r in log.read(*RAW_TOPICS)}
    assert {fact["rejected_id"]: parse_ms(fact["log_time"]) for fact in refused} == where


def test_a_dump_of_a_topic_of_offsets_of_times_and_of_a_workspace_holds_just_these(run: Run, log: Log, events: Path) -> None:
    run("emit", events)
    written = log.read(*RAW_TOPICS)
    noon_ms = parse_ms("2026-03-01T12:00:00Z")
    workspace = json.loads(written[0].value)["data"]["workspace_id"]

    def places(*options: object) -> set[tuple[str, int, int]]:
        return {read_dump_line(line)[:3] for line in run("dump", *options).stdout_bytes.splitlines()}

    assert places("--topic", AGENTS) == {(r.topic, r.partition, r.offset) for r in written if r.topic == AGENTS}
    assert places("--partition", 1, "--from-offset", 3, "--to-offset", 9) == {
        (r.topic, r.partition, r.offset) for r in written if r.partition == 1 and 3 <= r.offset < 9
    }
    assert places("--from", "2026-03-01T12:00:00Z") == {(r.topic, r.partition, r.offset) for r in written if r.log_ms >= noon_ms}
    assert places("--to", "2026-03-01T12:00:00Z") == {(r.topic, r.partition, r.offset) for r in written if r.log_ms < noon_ms}
    assert places("--workspace", workspace) == {(r.topic, r.partition, r.offset) for r in written if workspace_of(r.value) == workspace}


def workspace_of(value: bytes) -> str:
    """Of what is JSON at all."""
    try:
        return str(json.loads(value).get("data", {}).get("workspace_id", ""))
    except ValueError:
        return ""


def test_dumps_one_after_the_other_may_overlap(run: Run, events: Path) -> None:
    run("emit", events)
    whole = run("dump").stdout_bytes
    halves = run("dump", "--to", "2026-03-02").stdout_bytes + run("dump", "--from", "2026-03-01T18:00:00Z").stdout_bytes
    assert facts(run("meter", "-", stdin=halves).stdout) == facts(run("meter", "-", stdin=whole).stdout)


def test_a_dump_that_is_damaged_or_out_of_order_is_refused_with_the_line(run: Run) -> None:
    old, new = (dump_line(Record(CONVERSATIONS, day, 0, parse_ms(f"2026-03-0{day}T00:00:00Z"), b"")) for day in (1, 9))
    for lines, message in (([new, b"cut off"], "Line 2 is no line"), ([new, old], "Dump all partitions at once")):
        refused = run("meter", "-", stdin=b"\n".join(lines))
        assert refused.exit_code == 2
        assert message in " ".join(refused.stderr.replace("│", " ").split())

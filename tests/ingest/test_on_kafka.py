"""Ingest as a process on a real broker: refusals with their origin, and restarts that neither lose nor count anything twice."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from itertools import pairwise
from typing import Any

from services.events.topics import AGENTS, CONVERSATIONS, RAW_TOPICS, VOICE
from services.ingest.batcher import Totals
from services.runtime.errors import Unavailable
from tests.ingest.stage import RAW_PARTITIONS, WAIT_S, Stage
from tests.reference.model import reference_of_events
from tests.spec.timeline import T0_MS, CloudEvent, cloud_events, instant

END_MS = T0_MS + 3 * 3_600_000


def _event(**changes: Any) -> bytes:
    (event,) = cloud_events("started 0", subject="c1")
    return json.dumps(event | changes).encode()


def _nested(depth: int) -> bytes:
    """An event with a field nested so deep that the whole is `depth` deep."""
    return _event()[:-1] + b', "x": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


VALUES: list[tuple[bytes | None, str, str]] = [
    (_event(), "", ""),
    (_event(subject="c2", extra={"unknown": [1, 2]}, dataschema="x"), "", ""),
    (_nested(64), "", ""),
    (b"not JSON", "malformed_json", ""),
    (_event()[:-1] + b', "x": "\xff\xfe"}', "malformed_json", ""),
    (b"", "malformed_json", ""),
    (None, "malformed_json", ""),
    (_event(x="x" * 5_000_000), "too_large", ""),
    (_nested(65), "malformed_json", ""),
    (b"[" * 100_000, "malformed_json", ""),
    (_event()[:-1] + b', "x": NaN}', "malformed_json", ""),
    (_event(time="0001-01-01T00:00:00Z"), "too_late", ""),
    (_event(time="9999-12-31T23:59:59Z"), "future", ""),
    (_event(time="10000-01-01T00:00:00Z"), "invalid_event", "time"),
    (_event(id="i" * 10_000), "invalid_event", "id"),
    (_event(subject="s" * 10_000), "invalid_event", "subject"),
    (_event(type="conversation.paused"), "unknown_type", ""),
    (_event(specversion="0.3"), "invalid_event", "specversion"),
    (_event(data=None), "invalid_event", "data"),
    (_event(data={"app_id": "shop", "channel": "web"}), "invalid_event", "data.workspace_id"),
]


def test_every_refused_record_is_told_with_its_origin_and_its_reason_and_the_rest_goes_on(stage: Stage) -> None:
    stage.write((VOICE, 1), [value for value, _, _ in VALUES], T0_MS)
    with stage.ingest():
        stage.wait_until_committed()

    facts = stage.rejected()
    expected = [(offset, value, reason, field) for offset, (value, reason, field) in enumerate(VALUES) if reason]
    assert [(f["source_offset"], f["reason"], f["field"]) for f in facts] == [(offset, reason, field) for offset, _, reason, field in expected]
    assert {(f["source_topic"], f["source_partition"], f["log_time"]) for f in facts} == {(VOICE, 1, instant(T0_MS))}
    assert [f["rejected_id"] for f in facts] == [f"{VOICE}/1/{offset}" for offset, *_ in expected]
    assert [(f["size_bytes"], b64decode(f["payload_base64"])) for f in facts] == [(len(value or b""), (value or b"")[:4096]) for _, value, *_ in expected]
    line = stage.ledger()[VOICE, 1]
    assert (line["read"], line["accepted"]) == (len(VALUES), 3)
    assert sum(line["rejected"].values()) == len(expected)


def _history(conversations: int) -> list[CloudEvent]:
    """Conversations of half an hour, side by side."""
    timeline = "started 0, user message 3, transferred 7, returned 11, user message 22, ended 31"
    return [event for number in range(conversations) for event in cloud_events(timeline, subject=f"c{number}")]


def _write(stage: Stage, events: list[CloudEvent]) -> None:
    """Spread over all partitions of two topics: any event may lie anywhere."""
    places = [(topic, number) for topic in (CONVERSATIONS, AGENTS) for number in range(RAW_PARTITIONS)]
    for place, where in enumerate(places):
        stage.write(where, [json.dumps(event).encode() for event in events[place :: len(places)]], END_MS)


def _close(stage: Stage) -> None:
    closed = {"specversion": "1.0", "type": "log.closed", "source": "quarterhour", "id": "c", "time": instant(END_MS)}
    for topic in RAW_TOPICS:
        for number in range(RAW_PARTITIONS):
            stage.write((topic, number), [json.dumps(closed).encode()], END_MS)


def _totals(stage: Stage) -> Totals:
    lines = stage.ledger().values()
    assert all(line["to_offset"] == line["read"] + line["control"] for line in lines)
    return Totals(read=sum(line["read"] for line in lines), accepted=sum(line["accepted"] for line in lines), control=sum(line["control"] for line in lines))


def test_after_a_clean_stop_the_next_one_goes_on_at_the_very_offset_with_the_very_totals(stage: Stage) -> None:
    history = _history(40)
    for part in (history[:100], history[100:]):
        _write(stage, part)
        with stage.ingest():
            stage.wait_until_committed()

    for ranges in stage.ranges().values():
        assert ranges[0].start == 0
        assert all(before.stop == after.start for before, after in pairwise(ranges))
        assert [range_.begins for range_ in ranges] == [True] + [False] * (len(ranges) - 1)
    assert _totals(stage) == Totals(read=240, accepted=240)


def test_kills_in_the_middle_leave_no_gap_and_count_nothing_twice(stage: Stage) -> None:
    history = _history(400)
    _write(stage, history)
    for pause_s in (0.0, 0.3, 0.1):
        process = stage.start(poll_events_max=7, in_flight_max=3)
        while not stage.ranges():
            assert process.poll() is None, stage.logs()
            time.sleep(0.05)
        time.sleep(pause_s)
        stage.kill(process)
    _close(stage)
    with stage.ingest():
        stage.wait_until_committed()

    for ranges in stage.ranges().values():
        covered = 0
        for range_ in ranges:
            assert range_.start <= covered
            covered = max(covered, range_.stop)
    assert _totals(stage) == Totals(read=2400, accepted=2400, control=len(stage.ledger()))
    assert stage.metered() == reference_of_events(history)


def test_all_of_it_read_again_with_other_cuts_changes_nothing(stage: Stage) -> None:
    history = _history(60)
    _write(stage, history)
    with stage.ingest(poll_events_max=50):
        stage.wait_until_committed()
    before = stage.ranges()
    _close(stage)
    with stage.ingest(poll_events_max=3, group_id="another"):
        stage.wait_until_committed("another")

    assert sum(map(len, stage.ranges().values())) > 2 * sum(map(len, before.values()))
    assert stage.metered() == reference_of_events(history)


def test_one_who_is_fenced_ends_and_does_not_read_nothing_for_ever(stage: Stage) -> None:
    """Kafka says so when a static member joins anew, as after a broker's restart; the client says it once, as a message."""
    first = stage.start(instance="one")
    stage.write((CONVERSATIONS, 0), [b"{}"], T0_MS)
    stage.wait_until_committed()
    second = stage.start(instance="one")
    assert first.wait(WAIT_S) == Unavailable.exit_code
    assert "fenced" in stage.logs()
    stage.write((CONVERSATIONS, 0), [b"{}"], T0_MS)
    stage.wait_until_committed()
    stage.stop(second)

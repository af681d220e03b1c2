"""The pure parts of the proof: cuts, duplicates, the ends of a processor."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from services.cli.proof.cut import Lines
from services.cli.proof.repeated import Origin, Repeated
from services.events import topics
from services.events.decode import decode
from services.events.event import Refusal
from services.meters.rules import FOREVER_MS
from services.sink.rows import read_row
from tests.spec.timeline import T0_MS, cloud_events

LINE: dict[str, Any] = {
    "ledger_id": "", "revision": 0, "status": "closed", "workspace_id": "", "stage": "processor", "source_topic": topics.VOICE, "source_partition": 0,
    "batches_partition": 0, "from_offset": 0, "to_offset": 0, "read": 0, "accepted": 0, "control": 0, "rejected": {},
    "applied": 0, "covered": 0, "watermark": None,
}  # fmt: skip


def lines(*told: tuple[int, int, int]) -> Lines:
    """(source partition, revision, to_offset) of lines of one batches partition, in the order of the topic."""
    found = Lines()
    for source, revision, to_offset in told:
        line = LINE | {"ledger_id": f"processor/{topics.VOICE}/{source}/0", "source_partition": source, "revision": revision, "to_offset": to_offset}
        found.add(read_row(topics.LEDGER, msgspec.json.encode(line)))
    return found


def test_a_cut_is_the_newest_set_of_lines_that_is_whole() -> None:
    assert lines((0, 1, 10), (1, 1, 20), (0, 2, 11), (1, 2, 21)).cut().stops() == {(topics.VOICE, 0): {0: 11}, (topics.VOICE, 1): {0: 21}}
    unfinished = lines((0, 1, 10), (1, 1, 20), (0, 2, 11)).cut()
    assert (unfinished.version(0), unfinished.stops()) == (1, {(topics.VOICE, 0): {0: 10}, (topics.VOICE, 1): {0: 20}})


def test_a_batches_partition_without_lines_holds_every_watermark_back() -> None:
    cut = lines((0, (1 << 48) + 6, 10)).cut()
    assert (cut.next_batch(0), cut.least_watermark_ms(2)) == (7, -FOREVER_MS)


def repeated(*events: dict[str, Any]) -> tuple[int, list[tuple[int, int]]]:
    """(duplicates, offsets of the two sides of each conflict)."""
    with Repeated() as found:
        for offset, event in enumerate(events):
            value = json.dumps(event).encode()
            accepted = decode(value, T0_MS)
            assert not isinstance(accepted, Refusal)
            found.add(accepted, value, Origin(0, 0, offset))
        conflicts = [(first.offset, other.offset) for first, other in found.conflicts()]
        return found.duplicates, conflicts


def test_the_same_event_again_is_a_duplicate_whatever_surrounds_what_we_read() -> None:
    (event,) = cloud_events("user message 1", subject="c")
    (elsewhere,) = cloud_events("user message 1", subject="c")
    assert repeated(event, event | {"comment": "again"}, elsewhere | {"time": "2026-01-31T09:01:00+01:00"}) == (2, [])


@pytest.mark.parametrize("changes", [{"time": "2026-01-31T08:01:00.001Z"}, {"subject": "d"}, {"type": "conversation.returned"}])
def test_the_same_name_with_another_content_is_told_once_for_each_content(changes: dict[str, str]) -> None:
    (event,) = cloud_events("user message 1", subject="c")
    assert repeated(event, event | changes, event, event | changes) == (2, [(0, 1)])


def test_events_of_two_sources_or_ids_have_nothing_to_do_with_each_other() -> None:
    (event,) = cloud_events("user message 1", subject="c")
    assert repeated(event, event | {"source": "other"}, event | {"id": "other"}) == (0, [])


def test_a_processor_that_meets_a_topic_made_anew_ends_with_the_code_for_its_state() -> None:
    script = "from services.meters.watermark import LogReplaced; from services.processors.exits import leave; leave(LogReplaced('made anew'))"
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (65, "processor ends with exit code 65: made anew\n")

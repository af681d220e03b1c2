"""The batcher: what a message says it covers, what becomes of a refused record, and that other cuts of the same log change nothing downstream."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.batches import Batch, Range, decode_batch, encode_batch
from services.events.outgoing import OutFact
from services.events.pages import partition_of
from services.events.topics import CONVERSATIONS, RAW_TOPICS, REJECTED, VOICE
from services.ingest.batcher import Batcher, Layout, RawPartition, RawRecord, Totals
from services.meters.fold import PartitionFold
from services.meters.rules import Rules
from tests.meters.driver import Facts, folded
from tests.parts.examples import examples
from tests.reference import strategies as made
from tests.reference.instants import instant_ms, instant_text
from tests.reference.model import reference_of_events
from tests.spec.timeline import T0_MS, cloud_events

DAY_MS = 86_400_000
TALKS: RawPartition = (RAW_TOPICS.index(CONVERSATIONS), 0)
CALLS: RawPartition = (RAW_TOPICS.index(VOICE), 1)


def _batcher(*held: RawPartition, partitions: int = 3, lateness_ms: int = DAY_MS) -> Batcher:
    found = Batcher(Layout((2, 2, 2, 2), 16, partitions), lateness_ms, generation=1)
    for raw in held:
        found.begin(raw, 0, begins=True, totals=Totals())
    return found


def _record(raw: RawPartition, offset: int, value: bytes | None, log_ms: int = T0_MS) -> RawRecord:
    return RawRecord(*raw, offset, log_ms, value)


def _event(subject: str = "c1", timeline: str = "started 0", **changes: Any) -> bytes:
    (event,) = cloud_events(timeline, subject=subject)
    return json.dumps(event | changes).encode()


def _ranges(batches: list[Batch]) -> dict[RawPartition, Range]:
    """The ranges of a poll, which are the same in every message of it."""
    assert all(batch.ranges == batches[0].ranges for batch in batches)
    return {(found.topic, found.partition): found for found in batches[0].ranges}


def test_every_partition_gets_a_message_that_covers_what_was_read_whether_it_holds_an_event_or_none() -> None:
    batcher = _batcher(TALKS, CALLS)
    batcher.add(_record(TALKS, 0, _event()))
    batches, _ = batcher.take(0, 0)

    ranges = _ranges(batches)
    assert len(batches) == 3
    assert sum(len(batch.rows.kinds) for batch in batches) == 1
    assert [(ranges[raw].start, ranges[raw].stop, ranges[raw].begins) for raw in (TALKS, CALLS)] == [(0, 1, True), (0, 0, True)]


def test_the_next_message_begins_where_this_one_stopped_and_no_log_begins_twice() -> None:
    batcher = _batcher(TALKS)
    found = []
    for offset in (0, 1):
        batcher.add(_record(TALKS, offset, _event()))
        found.append(_ranges(batcher.take(0, 0)[0])[TALKS])

    assert [(r.start, r.stop, r.begins) for r in found] == [(0, 1, True), (1, 2, False)]


def test_offsets_that_the_log_does_not_hold_are_covered_too() -> None:
    batcher = _batcher(TALKS)
    batcher.add(_record(TALKS, 0, _event()))
    batcher.add(_record(TALKS, 7, _event()))

    (found,) = _ranges(batcher.take(0, 0)[0]).values()
    assert (found.start, found.stop) == (0, 8)
    assert batcher.positions() == {TALKS: 8}


def test_a_partition_taken_over_in_the_middle_does_not_begin_there() -> None:
    batcher = _batcher()
    batcher.begin(TALKS, 40, begins=False, totals=Totals(read=40, accepted=40))

    (found,) = _ranges(batcher.take(0, 0)[0]).values()
    assert (found.start, found.stop, found.begins) == (40, 40, False)


def test_a_partition_that_was_dropped_is_in_no_message() -> None:
    batcher = _batcher(TALKS, CALLS)
    batcher.drop(TALKS)

    assert set(_ranges(batcher.take(0, 0)[0])) == {CALLS}


def test_a_range_tells_its_greatest_event_time_and_its_last_log_time() -> None:
    batcher = _batcher(TALKS)
    for offset, (timeline, log_ms) in enumerate([("started 5", 3), ("started 9", 9), ("started 7", 8)]):
        batcher.add(_record(TALKS, offset, _event(timeline=timeline), T0_MS + log_ms * 60_000))

    (found,) = _ranges(batcher.take(0, 0)[0]).values()
    assert (found.newest_ms, found.log_ms) == (T0_MS + 9 * 60_000, T0_MS + 8 * 60_000)


def test_a_range_of_refused_records_alone_has_a_log_time_and_no_event_time() -> None:
    batcher = _batcher(TALKS)
    batcher.add(_record(TALKS, 0, b"{"))

    (found,) = _ranges(batcher.take(0, 0)[0]).values()
    assert (found.newest_ms, found.log_ms) == (None, T0_MS)


def test_a_control_record_closes_the_range_and_is_counted_apart() -> None:
    batcher = _batcher(TALKS)
    for offset, minute in enumerate((3, 9, 7)):
        closed = {"specversion": "1.0", "type": "log.closed", "source": "quarterhour", "id": "c", "time": instant_text(T0_MS + minute * 60_000)}
        batcher.add(_record(TALKS, offset, json.dumps(closed).encode()))

    (found,) = _ranges(batcher.take(0, 0)[0]).values()
    assert found.closed_ms == T0_MS + 9 * 60_000
    assert batcher.totals[TALKS] == Totals(control=3)


def test_everything_of_a_conversation_lies_on_one_page_of_one_partition() -> None:
    batcher = _batcher(TALKS)
    for offset, timeline in enumerate(["started 0", "user message 1", "transferred 2", "ended 3"]):
        batcher.add(_record(TALKS, offset, _event(timeline=timeline)))

    found = [(number, batch.rows.pages) for number, batch in enumerate(batcher.take(0, 0)[0]) if batch.rows.pages]
    ((number, pages),) = found
    (page,) = {int.from_bytes(pages[place : place + 4], "little") for place in range(0, len(pages), 4)}
    assert partition_of(page, 3) == number


REFUSED = (
    (None, "malformed_json", ""),
    (b"", "malformed_json", ""),
    (b"not JSON", "malformed_json", ""),
    (b'{"type": "\xff"}', "malformed_json", ""),
    (_event(type="conversation.paused"), "unknown_type", ""),
    (_event(id="i" * 10_000), "invalid_event", "id"),
    (_event(x="x" * 5_000_000), "too_large", ""),
    (_event(timeline="started 5+1ms"), "future", ""),
    (_event(time="9999-12-31T23:59:59.999Z"), "future", ""),
    (_event(time="0001-01-01T00:00:00Z"), "too_late", ""),
)


@pytest.mark.parametrize(("value", "reason", "field"), REFUSED)
def test_a_refused_record_is_a_fact_with_its_origin_its_reason_and_its_first_bytes(value: bytes | None, reason: str, field: str) -> None:
    batcher = _batcher(CALLS)
    batcher.add(_record(CALLS, 12, value))
    batches, (rejected,) = batcher.take(0, 0)

    fact = json.loads(rejected.value)
    assert rejected.topic == REJECTED
    assert rejected.key.decode() == fact["rejected_id"] == "platform.voice/1/12"
    assert (fact["source_topic"], fact["source_partition"], fact["source_offset"]) == ("platform.voice", 1, 12)
    assert (fact["reason"], fact["field"], fact["size_bytes"]) == (reason, field, len(value or b""))
    assert b64decode(fact["payload_base64"]) == (value or b"")[:4096]
    assert not any(batch.rows.kinds for batch in batches)


def test_reading_a_refused_record_again_gives_the_same_bytes() -> None:
    twice = []
    for _ in range(2):
        batcher = _batcher(TALKS)
        batcher.add(_record(TALKS, 0, b"{"))
        twice += batcher.take(0, 0)[1]

    assert twice[0] == twice[1]


def test_what_was_read_is_accepted_or_rejected_by_reason() -> None:
    batcher = _batcher(TALKS)
    for offset, value in enumerate([_event(), None, b"{", _event(type="x"), _event("c2"), _event(timeline="started 6")]):
        batcher.add(_record(TALKS, offset, value))
    batcher.take(0, 0)
    batcher.add(_record(TALKS, 6, _event("c3")))

    totals = batcher.totals[TALKS]
    assert totals == Totals(read=7, accepted=3, rejected={"malformed_json": 2, "unknown_type": 1, "future": 1})
    assert totals.read == totals.accepted + sum(totals.rejected.values())


class Downstream:
    """Three processors behind ingest."""

    def __init__(self) -> None:
        self.folds = [PartitionFold(Rules(), number, 16, 3, 1) for number in range(3)]
        self.published: list[OutFact] = []
        self.sent = 0

    def take(self, batcher: Batcher) -> None:
        """One poll of an ingest, through the wire format."""
        batches, rejected = batcher.take(0, 0)
        self.published += rejected
        for fold, batch in zip(self.folds, batches, strict=True):
            value = encode_batch(batch)
            assert encode_batch(decode_batch(value)) == value
            self.published += fold.apply(value, self.sent)
        self.sent += 1

    def facts(self, batcher: Batcher) -> Facts:
        """After a `log.closed` far ahead in the only partition."""
        closed = {"specversion": "1.0", "type": "log.closed", "source": "quarterhour", "id": "c", "time": "2030-01-01T00:00:00Z"}
        batcher.add(_record(TALKS, batcher.positions()[TALKS], json.dumps(closed).encode(), T0_MS))
        self.take(batcher)
        return [fact for fact in folded(self.published) if fact["topic"] != REJECTED]


def _alone(begin: int = 0) -> Batcher:
    batcher = Batcher(Layout((1,), 16, 3), 10_000 * DAY_MS, generation=1)
    batcher.begin(TALKS, begin, begins=begin == 0, totals=Totals(read=begin, accepted=begin))
    return batcher


def _log(history: list[made.CloudEvent]) -> list[RawRecord]:
    records = []
    for offset, event in enumerate(history):
        log_ms = instant_ms(event["time"])
        assert log_ms is not None
        records.append(_record(TALKS, offset, made.line(event), log_ms))
    return records


@settings(max_examples=examples(60))
@given(st.data())
def test_a_crash_and_a_second_reading_with_other_cuts_change_nothing(data: st.DataObject) -> None:
    history = data.draw(made.histories)
    log = _log(history)
    downstream = Downstream()
    read_to = 0
    for _ in range(data.draw(st.integers(1, 4))):
        # Nobody committed beyond this, so the successor reads from here, whatever its predecessor had sent already.
        begin = data.draw(st.integers(0, read_to))
        batcher = _alone(begin)
        for record in log[begin : data.draw(st.integers(begin, len(log)))]:
            batcher.add(record)
            read_to = max(read_to, record.offset + 1)
            if data.draw(st.booleans()):
                downstream.take(batcher)
        downstream.take(batcher)
    batcher = _alone(data.draw(st.integers(0, read_to)))
    for record in log[batcher.positions()[TALKS] :]:
        batcher.add(record)

    assert downstream.facts(batcher) == reference_of_events(history, instant_ms("2030-01-01T00:00:00Z"))


@settings(max_examples=examples(30))
@given(st.data())
def test_two_ingests_that_read_the_same_at_once_change_nothing(data: st.DataObject) -> None:
    history = data.draw(made.histories)
    log = _log(history)
    downstream = Downstream()
    both = [_alone(), _alone()]
    while any(batcher.positions()[TALKS] < len(log) for batcher in both):
        batcher = data.draw(st.sampled_from([b for b in both if b.positions()[TALKS] < len(log)]))
        at = batcher.positions()[TALKS]
        for record in log[at : at + data.draw(st.integers(1, 3))]:
            batcher.add(record)
        downstream.take(batcher)

    assert downstream.facts(both[0]) == reference_of_events(history, instant_ms("2030-01-01T00:00:00Z"))


def test_a_message_whose_predecessor_was_lost_is_not_applied_until_all_of_it_comes_again() -> None:
    log = _log([event | {"id": str(place)} for place, event in enumerate(cloud_events("started 0, user message 5, ended 31", subject="c1"))])
    downstream, batcher = Downstream(), _alone()
    batcher.add(log[0])
    downstream.take(batcher)
    batcher.add(log[1])
    batcher.take(0, 0)
    batcher.add(log[2])
    downstream.take(batcher)
    assert folded(downstream.published) == []
    assert [fold.status()["ranges_missing"] for fold in downstream.folds] == [1, 1, 1]

    again = _alone(1)
    again.add(log[1])
    again.add(log[2])
    downstream.take(again)
    assert len([fact for fact in folded(downstream.published) if fact["topic"].endswith("billing-sessions.v1")]) == 3

"""Limits on refused records: a handful stops nothing, a flood stops the line in front of itself, over restarts too, and nothing is lost."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.events.topics import LEDGER, REJECTED
from services.ingest.batcher import Totals
from services.ingest.ingest import Ingest
from services.ingest.ledger import load_metadata
from services.ingest.limits import RefusalLimits, Refused, TooManyRefused
from services.ingest.ports import LogLost, RawValue
from services.runtime.settings import IngestSettings
from tests.spec.timeline import T0_MS, cloud_events
from tests.verify.twin import Twin

BAD = b"no event"


def records(pattern: str, first: int = 0) -> list[RawValue]:
    """`.` an event, `x` none, `c` a control record."""
    (event,) = cloud_events("started 0", subject="c1")
    closed = {"specversion": "1.0", "type": "log.closed", "source": "quarterhour", "id": "c", "time": "2026-02-01T00:00:00Z"}
    values = {".": json.dumps(event).encode(), "x": BAD, "c": json.dumps(closed).encode()}
    return [(offset, T0_MS, values[sign]) for offset, sign in enumerate(pattern, first)]


def stopped_at(pattern: str, limits: RefusalLimits) -> int | None:
    """The place of the refused record at which the limit is passed."""
    refused, accepted = Refused(), 0
    for place, sign in enumerate(pattern):
        if sign == "." or limits.count(refused, accepted, place) is None:
            accepted += sign == "."
        else:
            return place
    return None


@pytest.mark.parametrize(
    ("pattern", "place"),
    [("xxx", None), ("xxxx", 3), ("xxx.xxx.xxx", None), ("...xxx.xxxx", 10), ("x.x.x.x.x.x.x.x", None)],
)
def test_so_many_refused_records_in_a_row_and_one_more_stop_the_line(pattern: str, place: int | None) -> None:
    assert stopped_at(pattern, RefusalLimits(run_max=3)) == place


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        ("xxxxx", None),  # Records before the first one count as good: 5 of 14.
        ("x" * 11, 10),  # 11 of 20 + 1
        (".x" * 40, None),  # exactly half
        ("." * 10 + "x" * 10, None),  # 10 of 20
        ("." * 10 + "x" * 11, 20),
        ("." * 100 + "xxxxxxxxx", None),
        ("." * 100 + "x" * 11, 110),
        ("x" * 5 + "." * 95 + "x" * 5 + ".....", None),
    ],
)
def test_more_than_the_share_of_the_last_records_stops_the_line(pattern: str, place: int | None) -> None:
    assert stopped_at(pattern, RefusalLimits(share_max=0.5, window=10)) == place


def test_limits_that_are_off_stop_nothing() -> None:
    assert stopped_at("x" * 50_000, RefusalLimits()) is None


def test_the_defaults_let_a_bad_start_pass_and_stop_a_flood() -> None:
    limits = RefusalLimits.of(IngestSettings())
    assert stopped_at("x" * 1_000 + ".", limits) is None
    assert stopped_at("." * 100 + "x" * 10_000, limits) == 5_100


@given(st.text("....xx", max_size=200))
def test_the_share_is_that_of_the_last_one_to_two_windows(pattern: str) -> None:
    refused, accepted, window = Refused(), 0, 10
    for place, sign in enumerate(pattern):
        if sign == "x":
            refused.add(accepted, place, window)
            looked = pattern[max(0, place // window - 1) * window : place + 1]
            assert refused.share(place, window) == looked.count("x") / (window + place % window + 1)
            assert refused.run == len(pattern[: place + 1]) - len(pattern[: place + 1].rstrip("x"))
        accepted += sign == "."


def test_the_line_stops_in_front_of_the_flood_and_says_what_to_do() -> None:
    twin = Twin(records("...xx" + "x" * 5 + "..."))
    ingest = twin.ingest(IngestSettings(rejected_run_max=4, poll_events_max=5))
    ingest.poll()
    with pytest.raises(TooManyRefused, match=r"5 records in a row .*platform.conversations/0/7: malformed_json.*nothing is lost.*v_rejected_events"):
        ingest.poll()
    ingest.close()
    assert TooManyRefused.exit_code == 76
    assert twin.mark is not None
    assert twin.mark.offset == 5


def polls(ingest: Ingest, number: int) -> None:
    for _ in range(number):
        ingest.poll()


def test_a_restart_neither_forgets_what_was_refused_nor_reads_further() -> None:
    twin = Twin(records("xx" * 10))
    for _ in range(3):
        ingest = twin.ingest(IngestSettings(rejected_run_max=4, poll_events_max=1))
        with pytest.raises(TooManyRefused, match="5 records in a row"):
            polls(ingest, 20)
        ingest.close()
        assert twin.mark is not None
        assert twin.mark.offset == 4


def test_with_the_limit_off_the_line_goes_on_and_every_record_is_read_and_told_once() -> None:
    twin = Twin(records("x" * 6 + "..c"))
    ingest = twin.ingest(IngestSettings(rejected_run_max=4, poll_events_max=6))
    with pytest.raises(TooManyRefused):
        ingest.poll()
    ingest.close()
    ingest = twin.ingest(IngestSettings(rejected_run_max=0, poll_events_max=6))
    polls(ingest, 4)
    ingest.close()
    assert twin.mark is not None
    assert twin.mark.offset == 9
    assert len(twin.of_topic(REJECTED)) == 6
    totals, _, _ = load_metadata(twin.mark.metadata)
    assert totals == Totals(0, 8, 2, 1, {"malformed_json": 6})


def test_an_error_between_reading_and_sending_commits_nothing_of_what_was_read() -> None:
    twin = Twin(records("..x.."))
    ingest = twin.ingest(IngestSettings(poll_events_max=2))
    ingest.poll()
    twin.refuses_to_send = True
    with pytest.raises(OSError, match="network"):
        ingest.poll()
    ingest.close()
    assert twin.mark is not None
    assert twin.mark.offset == 2

    twin.refuses_to_send = False
    ingest = twin.ingest()
    ingest.poll()
    ranges = [batch.ranges[0] for batch in twin.batches()[::2]]
    assert [(range_.start, range_.stop) for range_ in ranges] == [(0, 2), (2, 5)]
    assert all(before.stop == after.start for before, after in pairwise(ranges))


def test_a_topic_made_anew_stops_the_line_before_a_record_is_read_whatever_it_holds() -> None:
    twin = Twin(records("....."))
    first = twin.ingest()
    first.poll()
    first.close()
    for held in ("", "..", "." * 9):
        twin.records, twin.log_id = records(held), "second"
        sent = len(twin.sent)
        ingest = twin.ingest()
        with pytest.raises(LogLost, match=r"platform.conversations was deleted, and made anew since"):
            ingest.poll()
        mark, twin.mark = twin.mark, None
        ingest.close()
        assert (len(twin.sent), twin.mark) == (sent, None)
        twin.mark = mark
    assert LogLost.exit_code == 66


def test_a_closed_log_has_its_ledger_line_at_once() -> None:
    twin = Twin(records("..x"))
    ingest = twin.ingest()
    ingest.poll()
    assert twin.of_topic(LEDGER) == []
    twin.records += records("c", first=3)
    ingest.poll()
    (line,) = map(json.loads, twin.of_topic(LEDGER))
    assert (line["to_offset"], line["read"], line["accepted"], line["control"], line["rejected"]) == (4, 3, 2, 1, {"malformed_json": 1})

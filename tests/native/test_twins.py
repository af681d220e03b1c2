"""The compiled twin gives what the Python one gives: facts, revisions and state records, byte for byte, also where each takes over from the other."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.heads import read_time
from services.events.batches import PAGES, TIMES, Rows, pack, pack_texts
from services.events.event import Kind
from services.events.keys import USAGE, VOICE, talk_key, who_text
from services.events.outgoing import OutFact
from services.meters.logins import Presence
from services.meters.publish import publish
from services.meters.records import Change, Record
from services.meters.rules import QUARTER_MS, Rules
from services.meters.seats import counted, peak_records
from services.meters.talks import Talks
from services.meters.twins import NativeTalks
from services.native import load, required
from tests.events.corpus import mutations
from tests.meters.driver import DAY_MS, Pipeline
from tests.parts.examples import examples
from tests.reference import strategies as made

pytestmark = pytest.mark.skipif(load() is None, reason="the compiled twin is not built: `make native`")

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6) | st.sampled_from(
    ['"', "\\", "\x00\x07\x08\t\n\x0b\x0c\r\x1f\x7f", "é", "😀"]
)


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_facts_and_state_are_the_same_bytes(data: st.DataObject) -> None:
    history = data.draw(made.histories)
    lateness_ms = data.draw(st.sampled_from([DAY_MS, 10 * 366 * DAY_MS]))
    pipelines = [Pipeline(2, 3, lateness_ms=lateness_ms, talks=twin) for twin in (Talks, NativeTalks)]
    for message in data.draw(made.delivered(history)):
        takes_over = data.draw(st.booleans())
        for pipeline in pipelines:
            pipeline.send([made.line(event) for event in message])
            pipeline.save()
        assert pipelines[0].published == pipelines[1].published
        assert pipelines[0].state == pipelines[1].state
        if takes_over:
            pipelines[0].talks, pipelines[1].talks = pipelines[1].talks, pipelines[0].talks
            for pipeline in pipelines:
                pipeline.restart()
    for pipeline in pipelines:
        pipeline.close()
    assert pipelines[0].published == pipelines[1].published


@given(TEXTS, TEXTS, TEXTS, TEXTS, st.integers(-(10**15), 4 * 10**14))
def test_any_text_and_any_instant_are_written_alike(workspace: str, subject: str, who: str, message_id: str, at_ms: int) -> None:
    keys = [talk_key(meter, workspace, subject, subject + who) for meter in (USAGE, USAGE, VOICE)]
    rows = Rows(
        [], b"", pack_all(PAGES, [0, 0, 1]), bytes([Kind.MESSAGE_BY_USER, Kind.ENDED_IDLE, Kind.VOICE_ENDED]), pack_all(TIMES, [at_ms] * 3),
        pack_texts(keys), pack_texts([who_text(who, "", who), "", who_text(workspace, who, "")]), pack_texts([message_id, "", ""]), [],
    )  # fmt: skip
    python, native = Talks(Rules()), NativeTalks(Rules())

    assert python.apply(rows, b"\1\1\1", at_ms, at_ms, [], 7) == native.apply(rows, b"\1\1\1", at_ms, at_ms, [], 7)
    for talks in (python, native):
        talks.flush()
    assert [python.settle(page) for page in (0, 1)] == [native.settle(page) for page in (0, 1)]


def test_a_record_that_is_cut_short_is_refused() -> None:
    python, native = Talks(Rules()), NativeTalks(Rules())
    rows = Rows(
        [],
        b"",
        pack_all(PAGES, [0]),
        bytes([Kind.STARTED_BY_USER]),
        pack_all(TIMES, [1]),
        pack_texts([talk_key(USAGE, "w", "a", "c")]),
        pack_texts([who_text("web", "", "")]),
        pack_texts([""]),
        [],
    )
    python.apply(rows, b"\1", 0, 0, [], 1)
    python.flush()
    (whole,) = python.settle(0)
    for cut in range(len(whole) - 40):
        with pytest.raises(ValueError, match="cannot be read"):
            native.load(0, [], [whole[:cut]], 1 << 61)


def pack_all(typecode: str, numbers: list[int]) -> bytes:
    return pack(array(typecode, numbers))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12), st.integers(0, 12), st.sampled_from(["ann", "bob", "é"]), st.lists(st.sampled_from(["a", "b", ""]), max_size=3), st.just("l")
        )
    )
)
def test_seats_are_counted_alike(rows: list[tuple[int, int, str, list[str], str]]) -> None:
    native = load()
    assert native is not None
    presences = [Presence(at * 100_000, until * 100_000, agent, tuple(apps), login) for at, until, agent, apps, login in rows]
    for quarter_ms in (0, QUARTER_MS):
        assert native.peaks(presences, quarter_ms) == counted(presences, quarter_ms)


@given(TEXTS, TEXTS, st.integers(-(10**15), 4 * 10**14), st.integers(0, 900_000), st.integers(0, 1 << 31), st.booleans(), st.integers(0, 1 << 62))
def test_seat_peaks_are_published_alike(workspace: str, app: str, quarter_ms: int, after_ms: int, peak: int, void: bool, revision: int) -> None:
    native = required()
    [record] = peak_records(workspace, quarter_ms, [(app, peak, quarter_ms + after_ms, peak + 1)]).values()
    (published,) = python_publish(record, void=void, revision=revision)
    assert native.peak_fact(record, void, revision) == (published.key, published.value)


def python_publish(record: Record, *, void: bool, revision: int) -> list[OutFact]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.meters.publish.load", lambda: None)
        return publish([Change(record, void)], revision, 0)


def test_times_are_read_alike() -> None:
    native = load()
    assert native is not None
    lines = list(mutations(seed=9, bytes_per_example=60))
    found = native.event_times(lines)
    assert sum(time_ms is not None for time_ms in found) > 5_000
    assert all(read_time(line) == time_ms for time_ms, line in zip(found, lines, strict=True) if time_ms is not None)

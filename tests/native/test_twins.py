"""The compiled twin gives what the Python one gives: facts, revisions and state records, byte for byte, also where each takes over from the other."""

from __future__ import annotations

import zlib
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.heads import read_time
from services.events import topics
from services.events.batches import PAGES, TIMES, Rows, pack, pack_texts
from services.events.event import Event, Kind
from services.events.keys import USAGE, VOICE, talk_key, who_text
from services.events.outgoing import OutFact
from services.meters.rules import FOREVER_MS, HOUR_MS, QUARTER_MS, Rules
from services.meters.state import StateCorrupt
from services.meters.talks import Talks
from services.meters.teams import Teams
from services.meters.twins import COMPILED, PYTHON, NativeTalks, NativeTeams, TeamsTwin
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
    pipelines = [Pipeline(2, 3, lateness_ms=lateness_ms, twins=twins) for twins in (PYTHON, COMPILED)]
    for message in data.draw(made.delivered(history)):
        takes_over = data.draw(st.booleans())
        for pipeline in pipelines:
            pipeline.send([made.line(event) for event in message])
            pipeline.save()
        assert pipelines[0].published == pipelines[1].published
        assert pipelines[0].state == pipelines[1].state
        if takes_over:
            pipelines[0].twins, pipelines[1].twins = pipelines[1].twins, pipelines[0].twins
            for pipeline in pipelines:
                pipeline.restart()
    for pipeline in pipelines:
        pipeline.close()
    assert pipelines[0].published == pipelines[1].published


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_checksum_of_a_record_is_zlibs(first: bytes, rest: bytes) -> None:
    assert required().crc32(rest, required().crc32(first, 0)) == zlib.crc32(first + rest)


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
    assert [python.settle(page, True) for page in (0, 1)] == [native.settle(page, True) for page in (0, 1)]


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
    (whole,) = python.settle(0, True)
    for cut in range(len(whole) - 40):
        with pytest.raises(ValueError, match="cannot be read"):
            native.load(0, [], [whole[:cut]], 1 << 61)


def pack_all(typecode: str, numbers: list[int]) -> bytes:
    return pack(array(typecode, numbers))


INSTANTS = st.sampled_from(
    [0, 1, 300_000, QUARTER_MS - 1, QUARTER_MS, QUARTER_MS + 1, 3 * QUARTER_MS, DAY_MS, DAY_MS + 1, DAY_MS + QUARTER_MS, 2 * DAY_MS + 2, 3 * DAY_MS]
)
NAMES = st.sampled_from(["ann", "bob"]) | TEXTS
AGENTS = st.builds(
    lambda kind, at_ms, workspace, app, login, agent, apps: Event(kind, at_ms, workspace, app, login, "s", "i", agent_id=agent, app_ids=tuple(apps)),
    st.sampled_from([Kind.LOGGED_IN, Kind.LOGGED_IN, Kind.LOGGED_OUT, Kind.ASSIGNED, Kind.UNASSIGNED]),
    INSTANTS,
    st.sampled_from(["acme", "acme", "zed"]),
    NAMES,
    st.sampled_from(["phone", "phone", '"é\n"']),
    NAMES,
    st.lists(st.sampled_from(["shop", "desk", ""]) | TEXTS, max_size=3),
)
STEPS = st.lists(st.tuples(st.lists(AGENTS, max_size=6), INSTANTS, st.sampled_from(["", "sweep", "save", "restart"])), max_size=8)


@settings(max_examples=examples(400), deadline=None)
@given(STEPS)
def test_seats_are_the_same_bytes(steps: list[tuple[list[Event], int, str]]) -> None:
    """Events of any age in messages of any size, restarts and sweeps between them; each twin goes on from what the other wrote."""
    rules = Rules(lateness_ms=HOUR_MS)
    twins: list[TeamsTwin] = [Teams(rules), NativeTeams(rules)]
    watermark_ms = -FOREVER_MS
    for number, (agents, forward_ms, then) in enumerate([*steps, ([], FOREVER_MS // 2, "")]):
        events = [(int(event.workspace_id == "zed"), event) for event in agents]
        to_ms = max(0, watermark_ms) + forward_ms
        assert twins[0].apply(events, watermark_ms, to_ms, [], number) == twins[1].apply(events, watermark_ms, to_ms, [], number)
        watermark_ms = to_ms
        if then == "sweep":
            for twin in twins:
                twin.sweep(watermark_ms + 2 * DAY_MS, watermark_ms)
        if then:
            assert sorted(twins[0].take_changed([1])) == sorted(twins[1].take_changed([1]))
        states = [[twin.states_of(page) for page in (0, 1)] for twin in twins]
        assert states[0] == states[1]
        if then == "restart":
            twins = [Teams(rules), NativeTeams(rules)]
            for twin, of_other in zip(twins, reversed(states), strict=True):
                for page, workspaces in enumerate(of_other):
                    twin.load(page, workspaces, watermark_ms)


@given(TEXTS, TEXTS, TEXTS, st.integers(-(10**15), 4 * 10**14), st.integers(1, 900_000), st.integers(0, 1 << 62))
def test_seats_of_any_text_and_any_instant_are_written_alike(workspace: str, app: str, agent: str, at_ms: int, lasts_ms: int, revision: int) -> None:
    """A login, its end, its peaks, and an assignment; then the same without them, as if the logout had come first: what is void."""
    came = [(Kind.LOGGED_IN, at_ms), (Kind.LOGGED_OUT, at_ms + lasts_ms), (Kind.ASSIGNED, at_ms), (Kind.UNASSIGNED, at_ms + lasts_ms)]
    late = [(Kind.LOGGED_OUT, at_ms), (Kind.UNASSIGNED, at_ms)]
    facts: list[list[OutFact]] = []
    for twin in (Teams(Rules()), NativeTeams(Rules())):
        found: list[OutFact] = []
        for number, events in enumerate((came, late)):
            told = [(0, Event(kind, when_ms, workspace, app, agent + app, "s", "i", agent_id=agent, app_ids=(app, agent))) for kind, when_ms in events]
            found += twin.apply(told, -FOREVER_MS if number == 0 else at_ms + DAY_MS, at_ms + DAY_MS, [], revision + number)
        facts.append(found)
    assert facts[0] == facts[1]
    assert {fact.topic for fact in facts[0]} == {topics.PEAKS, topics.LOGINS, topics.ASSIGNMENTS}
    assert any(b'"status":"void"' in fact.value for fact in facts[0])


def test_seats_that_are_cut_short_are_refused() -> None:
    teams = Teams(Rules())
    teams.apply([(0, Event(Kind.LOGGED_IN, 0, "acme", "", "phone", "s", "i", agent_id="ann", app_ids=("shop",)))], 0, 0, [], 1)
    teams.apply([(0, Event(Kind.ASSIGNED, 0, "acme", "shop", "ann", "s", "i", agent_id="ann"))], 0, 0, [], 2)
    [whole] = teams.states_of(0)
    for twin in (Teams(Rules()), NativeTeams(Rules())):
        for cut in range(len(whole)):
            with pytest.raises(StateCorrupt, match="cannot be read"):
                twin.load(0, [whole[:cut]], 0)
        twin.load(0, [whole], 0)
        assert twin.states_of(0) == [whole]


def test_times_are_read_alike() -> None:
    native = load()
    assert native is not None
    lines = list(mutations(seed=9, bytes_per_example=60))
    found = native.event_times(lines)
    assert sum(time_ms is not None for time_ms in found) > 5_000
    assert all(read_time(line) == time_ms for time_ms, line in zip(found, lines, strict=True) if time_ms is not None)

"""The judge is judged: what must hold of its facts whatever the history, and that the histories are deep enough to show it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.parts.examples import examples
from tests.reference import strategies
from tests.reference.asleep import parts_awake
from tests.reference.clock import bot_clock
from tests.reference.instants import FOREVER, MINUTE_MS, QUARTER_MS, instant_ms
from tests.reference.model import reference_facts, reference_of_events
from tests.reference.record import record_of
from tests.reference.usage import Billed, Episode, bill, episodes_of, human_times

CLOCK_MS = strategies.BASE_MS + 10**11

quick = settings(deadline=None, max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])


def billed_of(events: list[dict[str, Any]]) -> list[Billed]:
    """The billed episodes of one conversation."""
    found = []
    for part in parts_awake({record_of(event) for event in events}):
        humans = human_times(part)
        found += [bill(episode, humans) for episode in episodes_of(part, humans)]
    return [billed for billed in found if billed is not None]


def by_id(facts: list[dict[str, object]]) -> dict[tuple[object, ...], dict[str, object]]:
    return {tuple(list(fact.values())[:2]): fact for fact in facts}


@quick
@given(strategies.histories.flatmap(lambda history: st.tuples(st.just(history), strategies.delivered(history))))
def test_order_repetition_and_batches_change_nothing(pair: tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]) -> None:
    history, batches = pair
    assert reference_of_events([event for batch in batches for event in batch]) == reference_of_events(history)


@quick
@given(strategies.histories)
def test_a_file_in_order_gives_the_facts_of_its_events(history: list[dict[str, Any]]) -> None:
    assert reference_facts(map(strategies.line, history), clock_ms=CLOCK_MS) == reference_of_events(history)


@quick
@given(strategies.histories)
def test_no_two_facts_share_an_id(history: list[dict[str, Any]]) -> None:
    facts = reference_of_events(history)
    assert len(by_id(facts)) == len(facts)


@quick
@given(strategies.raw_lines())
def test_every_line_is_an_event_or_refused(lines: list[bytes]) -> None:
    rejected = [fact for fact in reference_facts(lines, clock_ms=CLOCK_MS) if "rejected_id" in fact]
    assert len({fact["source_offset"] for fact in rejected}) == len(rejected) <= len(lines)


@quick
@given(strategies.histories.flatmap(lambda h: st.tuples(st.just(h), strategies.watermarks(h), strategies.watermarks(h))))
def test_a_later_watermark_only_adds_facts_and_ends(drawn: tuple[list[dict[str, Any]], int | None, int | None]) -> None:
    history, one, other = drawn
    early_ms, late_ms = sorted(FOREVER if mark is None else mark for mark in (one, other))
    early, late = by_id(reference_of_events(history, early_ms)), by_id(reference_of_events(history, late_ms))
    for name, fact in early.items():
        changed = {field for field, value in late[name].items() if fact[field] != value}
        assert changed <= {"end", "end_reason"}
        assert not changed or fact["end"] is None


@quick
@given(strategies.conversation_events)
def test_the_windows_are_where_the_clock_reads_them(events: list[dict[str, Any]]) -> None:
    for billed in billed_of(events):
        for session in billed.sessions:
            before, after = (bot_clock(billed.humans, billed.t0, session.start + more) for more in (0, 1))
            assert before == (session.k - 1) * QUARTER_MS
            assert after == before + 1
            reading = bot_clock(billed.humans, billed.t0, session.end)
            assert session.end == billed.t0 or bot_clock(billed.humans, billed.t0, session.end - 1) == reading - 1
            expected = {"U7:full": session.k * QUARTER_MS, "U7:ended": billed.clock_ms}
            assert reading == expected.get(session.rule, bot_clock(billed.humans, billed.t0, session.end + 10**12))


@quick
@given(strategies.conversation_events)
def test_sessions_of_an_episode_do_not_overlap_and_hold_all_of_its_clock(events: list[dict[str, Any]]) -> None:
    for billed in billed_of(events):
        sessions = billed.sessions
        assert all(one.end <= other.start for one, other in pairwise(sessions))
        assert sum(session.bot_ms for session in sessions) >= billed.clock_ms
        assert all(session.bot_ms == QUARTER_MS for session in sessions[:-1])


@quick
@given(strategies.histories)
def test_a_conversation_is_its_clock_and_its_human_time(history: list[dict[str, Any]]) -> None:
    for fact in reference_of_events(history):
        if "conversation_episode_id" in fact:
            start, end = instant_ms(str(fact["start"])), instant_ms(str(fact["end"]))
            assert start is not None
            assert end is not None
            assert isinstance(fact["human_ms"], int)
            clock_ms = end - start - fact["human_ms"]
            assert fact["sessions"] == max(1, -(-clock_ms // (15 * MINUTE_MS)))


def test_the_histories_are_deep() -> None:
    """Of 400 conversations, at least so many in a hundred have each of these."""
    seen: Counter[str] = Counter()

    @settings(max_examples=400, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategies.conversation_events)
    def look(events: list[dict[str, Any]]) -> None:
        seen["all"] += 1
        for kind in kinds_of(events):
            seen[kind] += 1

    look()
    least = {"billed": 70, "2 episodes": 30, "3 episodes": 15, "asleep": 1, "returned": 20, "ended": 10, "idle": 8, "open": 4}
    least |= {"human when an episode begins": 3, "anchor after human time": 4, "U7:full": 60, "U7:ended": 15, "U7:stopped": 4, "message": 50}
    assert {kind: share for kind, share in least.items() if seen[kind] * 100 < share * seen["all"]} == {}


def kinds_of(events: list[dict[str, Any]]) -> set[str]:
    parts = parts_awake({record_of(event | {"id": str(place)}) for place, event in enumerate(events)})
    kinds = {"asleep"} if len(parts) > 1 else set()
    episodes: list[Episode] = []
    for part in parts:
        humans = human_times(part)
        found = episodes_of(part, humans)
        episodes += found
        kinds |= {human.closed_by or "open" for human in humans}
        first_signs = [episode.signs[0].time_ms for episode in found]
        if any(human.begin < first < min(human.end, human.idle_at) for human in humans for first in first_signs):
            kinds.add("human when an episode begins")
    billed = billed_of(events)
    kinds |= {f"{least} episodes" for least in (2, 3) if len(episodes) >= least}
    kinds |= {"billed"} if billed else set()
    kinds |= {session.rule for one in billed for session in one.sessions}
    kinds |= {"message" for one in billed for session in one.sessions if session.message_id}
    kinds |= {"anchor after human time" for one in billed if any(human.end == one.t0 for human in one.humans)}
    return kinds

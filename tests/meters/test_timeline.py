"""S3: the quarters that a timeline passes and those it looks at again have the peaks of all presences counted afresh, whatever came and went in between."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.meters.logins import Presence
from services.meters.rules import FOREVER_MS, QUARTER_MS
from services.meters.seats import Peak, counted
from services.meters.timeline import Timeline
from tests.parts.examples import examples

LOGIN_MAX_MS = 6 * QUARTER_MS
QUARTERS = 12

instants = st.builds(
    lambda quarter, off: quarter * QUARTER_MS + off, st.integers(0, QUARTERS - 1), st.sampled_from([0, 1, QUARTER_MS // 2, QUARTER_MS // 2 + 1, QUARTER_MS - 1])
)
presences = st.builds(
    lambda start, lasts, agent, apps, login: Presence(start, start + lasts, agent, tuple(apps), login),
    instants,
    st.sampled_from([0, 1, QUARTER_MS // 2, QUARTER_MS - 1, QUARTER_MS, QUARTER_MS + 1, 3 * QUARTER_MS, LOGIN_MAX_MS]),
    st.sampled_from("abc"),
    st.lists(st.sampled_from(["", "shop", "desk"]), max_size=3),
    st.sampled_from("xyz"),
)
steps = st.lists(st.tuples(st.sampled_from(["add", "remove", "pass"]), presences, instants, st.integers(0, 99)), max_size=30)


@settings(max_examples=examples(400), deadline=None)
@given(steps)
def test_each_quarter_passed_or_looked_at_is_as_if_counted_afresh(history: list[tuple[str, Presence, int, int]]) -> None:
    timeline, held, watermark_ms = Timeline(LOGIN_MAX_MS), set[Presence](), -FOREVER_MS
    for step, presence, at_ms, choice in [*history, ("pass", None, (QUARTERS + 8) * QUARTER_MS, 0)]:
        if step == "add" and presence is not None and presence not in held:
            held.add(presence)
            timeline.add(presence)
        elif step == "remove" and held:
            gone = sorted(held)[choice % len(held)]
            held.remove(gone)
            timeline.remove(gone)
        elif step == "pass" and at_ms > watermark_ms:
            due = _with_an_agent(held, watermark_ms, at_ms)
            assert dict(timeline.pass_to(at_ms)) == due
            watermark_ms = at_ms
        assert timeline.next_quarter() == min(_with_an_agent(held, watermark_ms, FOREVER_MS), default=None)
    assert {quarter: timeline.look(quarter) for quarter in _all_quarters()} == {quarter: counted(held, quarter) for quarter in _all_quarters()}


def _all_quarters() -> range:
    return range(0, (QUARTERS + 7) * QUARTER_MS, QUARTER_MS)


def _with_an_agent(held: set[Presence], from_ms: int, to_ms: int) -> dict[int, list[Peak]]:
    """The quarters whose end the watermark passes on its way (P1), and in which somebody is."""
    quarters = [quarter for quarter in _all_quarters() if from_ms <= quarter + QUARTER_MS < to_ms]
    return {quarter: found for quarter in quarters if (found := counted(held, quarter))}

"""The closed form of a plain conversation says what the walk says: records, when to look again, and what the next event must know."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.events.event import Kind
from services.events.keys import NOBODY, USAGE, talk_key, who_text
from services.meters.plain import plain_records
from services.meters.rules import MINUTE_MS, QUARTER_MS, Rules
from services.meters.talk import Talk, decode_talk, encode_talk
from services.meters.usage import walked_records

T0_MS = 1_769_817_600_000
RULES = Rules()
EDGES = [0, 1, MINUTE_MS, QUARTER_MS - 1, QUARTER_MS, QUARTER_MS + 1, 2 * QUARTER_MS, 59 * MINUTE_MS, 60 * MINUTE_MS, 60 * MINUTE_MS + 1]
SIGNS = [Kind.STARTED_BY_USER, Kind.MESSAGE_BY_USER]
ENDS = [Kind.ENDED_BY_USER, Kind.ENDED_BY_BOT, Kind.ENDED_BY_AGENT, Kind.ENDED_IDLE]

steps = st.lists(st.tuples(st.sampled_from(EDGES), st.sampled_from([*SIGNS, *SIGNS, *SIGNS, *ENDS]), st.sampled_from("abc")), min_size=1, max_size=8)
watermarks = st.integers(-1, 6 * 60).map(lambda minutes: T0_MS + minutes * MINUTE_MS) | st.sampled_from([T0_MS + edge for edge in EDGES])


def talk_of(rows: list[tuple[int, Kind, str]]) -> Talk:
    talk = Talk(talk_key(USAGE, "acme", "shop", "c-1"), 0, [T0_MS], T0_MS)
    at_ms = T0_MS
    for step_ms, kind, message_id in rows:
        at_ms += step_ms
        who = who_text("web", "u-1", "") if kind in SIGNS else NOBODY
        text = message_id if kind is Kind.MESSAGE_BY_USER else ""
        place = talk.place(at_ms - T0_MS, kind, text, who)
        if place >= 0:
            talk.insert(place, at_ms - T0_MS, kind, text, who)
            talk.see(at_ms)
    return talk


@given(steps, watermarks)
def test_the_closed_form_says_what_the_walk_says(rows: list[tuple[int, Kind, str]], watermark_ms: int) -> None:
    plain = talk_of(rows)
    found = plain_records(plain, watermark_ms, RULES)
    if found is not None:
        walked = decode_talk(encode_talk(plain))
        assert found == walked_records(walked, watermark_ms, RULES)
        assert encode_talk(walked) == encode_talk(plain)


def test_a_mark_a_silence_a_second_user_and_a_row_after_the_end_are_walked() -> None:
    plain = [(0, Kind.STARTED_BY_USER, ""), (MINUTE_MS, Kind.MESSAGE_BY_USER, "m")]
    assert plain_records(talk_of(plain), T0_MS, RULES) is not None
    marked = talk_of(plain)
    marked.insert(2, 2 * MINUTE_MS, Kind.TRANSFERRED, "", who_text("web", "", ""))
    second = talk_of(plain)
    second.insert(2, 2 * MINUTE_MS, Kind.MESSAGE_BY_USER, "n", who_text("web", "u-2", ""))
    silent = talk_of([*plain, (60 * MINUTE_MS + 1, Kind.MESSAGE_BY_USER, "n")])
    after = talk_of([*plain, (1, Kind.ENDED_BY_USER, ""), (1, Kind.MESSAGE_BY_USER, "n")])
    late_end = talk_of([*plain, (60 * MINUTE_MS + 1, Kind.ENDED_BY_USER, "")])
    assert [plain_records(talk, T0_MS, RULES) for talk in (marked, second, silent, after, late_end)] == [None] * 5


def test_another_silence_max_moves_the_border_between_both() -> None:
    talk = talk_of([(0, Kind.STARTED_BY_USER, ""), (QUARTER_MS, Kind.MESSAGE_BY_USER, "m")])
    assert plain_records(talk, T0_MS, replace(RULES, silence_max_ms=QUARTER_MS)) is not None
    assert plain_records(talk, T0_MS, replace(RULES, silence_max_ms=QUARTER_MS - 1)) is None

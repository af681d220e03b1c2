"""What is refused, with reason and field (SPEC §3; E1-E4, E6, E7), on the boundary."""

from __future__ import annotations

import pytest

from tests.reference.instants import DAY_MS, MINUTE_MS, instant_ms, instant_text
from tests.reference.model import reference_facts
from tests.reference.strategies import BASE_MS, REFUSED_LINES, changed, changed_data
from tests.reference.validate import Refusal, read_line

CLOCK_MS = BASE_MS + 30 * DAY_MS

EXPECTED = (
    *[("malformed_json", "")] * 8,
    ("too_large", ""),
    ("invalid_event", "type"),
    ("invalid_event", "type"),
    ("unknown_type", ""),
    ("invalid_event", "specversion"),
    *[("invalid_event", "id")] * 2,
    ("invalid_event", "source"),
    *[("invalid_event", "subject")] * 2,
    *[("invalid_event", "time")] * 4,
    ("invalid_event", "data"),
    *[("invalid_event", "data.workspace_id")] * 2,
    ("invalid_event", "data.app_id"),
    ("invalid_event", "data.channel"),
    ("invalid_event", "data.kore_user_id"),
    ("invalid_event", "data.initiator"),
    ("invalid_event", "data.sender"),
    ("invalid_event", "data.reason"),
    ("invalid_event", "data.agent_id"),
    ("too_late", ""),
    ("future", ""),
    ("too_late", ""),
)


def reasons(*lines: bytes) -> list[tuple[object, object, object]]:
    """Offset, reason, field of each refusal, by its id."""
    facts = reference_facts(lines, clock_ms=CLOCK_MS)
    return [(fact["source_offset"], fact["reason"], fact["field"]) for fact in facts if "rejected_id" in fact]


@pytest.mark.parametrize(("line", "expected"), list(zip(REFUSED_LINES, EXPECTED, strict=True)), ids=lambda value: repr(value)[:60])
def test_a_wrong_line_is_refused_for_its_reason(line: bytes, expected: tuple[str, str]) -> None:
    assert reasons(changed(), line, changed()) == [(1, *expected)]


def test_a_line_of_exactly_one_mebibyte_is_an_event() -> None:
    line = changed(x="").removesuffix(b"\n")
    padded = line.replace(b'"x": ""', b'"x": "' + b"x" * (1024 * 1024 - len(line)) + b'"')
    assert len(padded) == 1024 * 1024
    assert isinstance(read_line(padded), dict)
    assert read_line(padded + b" ") == Refusal("too_large")


def test_nesting_of_64_is_an_event() -> None:
    deep: object = "x"
    for _ in range(63):
        deep = [deep]
    assert isinstance(read_line(changed(x=deep)), dict)
    assert read_line(changed(x=[deep])) == Refusal("malformed_json")


def test_the_last_of_a_repeated_key_counts() -> None:
    line = changed().replace(b'{"specversion"', b'{"type": 5, "specversion"', 1)
    assert isinstance(read_line(line), dict)


def test_five_minutes_ahead_of_the_log_is_an_event() -> None:
    at_edge, beyond = (changed(time=instant_text(CLOCK_MS + 5 * MINUTE_MS + extra)) for extra in (0, 1))
    assert reasons(at_edge) == []
    assert reasons(beyond) == [(0, "future", "")]


def test_a_day_behind_the_log_is_an_event() -> None:
    at_edge, beyond = (changed(time=instant_text(BASE_MS - DAY_MS - extra)) for extra in (0, 1))
    assert reasons(changed(), at_edge, beyond) == [(2, "too_late", "")]


def test_an_event_from_the_year_9999_moves_no_log_time() -> None:
    assert reasons(changed(time="9999-12-31T23:59:59Z"), changed()) == [(0, "future", "")]


def test_a_refused_line_that_tells_a_time_moves_the_log_time() -> None:
    assert reasons(changed(type="conversation.paused", time="2026-02-05T00:00:00Z"), changed()) == [(0, "unknown_type", ""), (1, "too_late", "")]


def test_a_line_that_tells_no_time_moves_no_log_time() -> None:
    assert reasons(changed(time="2026-02-30T00:00:00Z"), b"{", changed()) == [(0, "invalid_event", "time"), (1, "malformed_json", "")]


def test_blank_lines_at_the_end_are_no_records() -> None:
    assert reasons(changed(), b"\n", changed(), b"\n", b"  \r\n", b"") == [(1, "malformed_json", "")]


def test_a_control_record_is_no_event_and_no_refusal() -> None:
    control = {"type": "log.closed", "subject": None, "data": None, "time": instant_text(BASE_MS)}
    assert reasons(changed(**control, source="quarterhour"), changed()) == []
    assert reasons(changed(**control, source="someone"), changed()) == [(0, "invalid_event", "source")]


def test_an_unknown_extra_field_is_ignored() -> None:
    def start(line: bytes) -> object:
        return next(fact["start"] for fact in reference_facts([line], clock_ms=CLOCK_MS) if "billing_session_id" in fact)

    assert start(changed(time_ms=5)) == instant_text(BASE_MS)


def test_a_login_needs_an_agent_and_an_app() -> None:
    def field(**changes: object) -> object:
        found = read_line(changed_data(channel=None, agent_id="ann", **changes).replace(b"conversation.started", b"agent.logged_in"))
        return found.field if isinstance(found, Refusal) else "event"

    assert field() == "event"
    assert field(app_id=None, app_ids=["a"]) == "event"
    assert field(app_ids=[]) == "event"
    assert field(app_id=None) == "data.app_ids"
    assert field(app_id=None, app_ids=[]) == "data.app_ids"
    assert field(app_ids=["a", ""]) == "data.app_ids"
    assert field(app_ids=["a"] * 257) == "data.app_ids"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-31T08:15:00Z", "2026-01-31T08:15:00.000Z"),
        ("2026-01-31t08:15:00.1239z", "2026-01-31T08:15:00.123Z"),
        ("2026-01-31T08:15:00.9+05:30", "2026-01-31T02:45:00.900Z"),
        ("2026-01-31T08:15:00-23:59", "2026-02-01T08:14:00.000Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_is_read_to_the_millisecond(text: str, same: str) -> None:
    time_ms = instant_ms(text)
    assert time_ms is not None
    assert instant_text(time_ms) == same


@pytest.mark.parametrize("text", ["2026-01-31T24:00:00Z", "2026-01-31T08:00:00.Z", "2026-01-31T08:00:00+24:00", "0000-01-01T00:00:00Z", "٢٠٢٦-01-31T08:00:00Z"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    assert instant_ms(text) is None

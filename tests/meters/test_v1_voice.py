"""V1: a call is billed from its start to its end, at most a day; nothing is excluded."""

from __future__ import annotations

import json

import pytest

from tests.meters.driver import run
from tests.meters.table import check
from tests.spec import reading
from tests.spec.timeline import MINUTE_MS, cloud_events, offset_ms


def test_thirty_one_minutes_are_three_sessions_whoever_speaks() -> None:
    check(
        "rules",
        """
        0         voice started
        5         transferred
        15        returned
        31        voice ended         -> 0-15 V1:full, 15-30 V1:full, 30-31 V1:ended
        """,
    )


def test_a_quarter_of_an_hour_is_one_session() -> None:
    check(
        "rules",
        """
        0         voice started
        15        voice ended         -> 0-15 V1:full
        """,
    )


def test_a_millisecond_more_is_two() -> None:
    check(
        "rules",
        """
        0         voice started
        15+1ms    voice ended         -> 0-15 V1:full, 15-15+1ms V1:ended
        """,
    )


def test_a_call_without_an_end_waits_for_the_end_of_its_window() -> None:
    check(
        "rules",
        """
        0         voice started
        3         voice progress
        15        watermark
        15+1ms    watermark           -> 0-15 V1:full
        """,
    )


def test_progress_is_evidence_only_past_the_quarter() -> None:
    check(
        "rules",
        """
        0         voice started
        15        voice progress
        31        watermark           -> 0-15 V1:full
        15+1ms    voice progress      -> 15-30 V1:full
        """,
    )


def test_what_is_before_the_start_is_ignored() -> None:
    check(
        "sessions",
        """
        0         voice progress
        5         voice ended         -> 0-5
        10        voice started       -> void 0-5
        12        voice ended         -> 10-12
        """,
    )


def test_of_several_starts_and_ends_the_earliest_count() -> None:
    check(
        "sessions",
        """
        10        voice started
        12        voice started
        40        voice ended         -> 10-25, 25-40
        20        voice ended         -> 10-20, void 25-40
        5         voice started       -> 5-20, void 10-20
        """,
    )


def test_an_end_at_the_start_is_a_session_of_no_length() -> None:
    check(
        "rules",
        """
        0         voice started
        0         voice ended         -> 0-0 V1:ended
        """,
    )


@pytest.mark.parametrize(
    ("last", "sessions", "end"),
    [
        ("voice progress 24h-1ms", 96, "24h"),
        ("voice progress 24h", 96, "24h"),
        ("voice progress 24h+1ms", 96, "24h"),
        ("voice progress 40h", 96, "24h"),
        ("voice ended 24h-1ms", 96, "24h-1ms"),
        ("voice ended 24h", 96, "24h"),
        ("voice ended 24h+1ms", 96, "24h"),
    ],
)
def test_a_day_is_the_most(last: str, sessions: int, end: str) -> None:
    events = cloud_events(f"voice started 0, {last}", subject="v1")

    spans = reading.session_spans(run([[json.dumps(event).encode() for event in events]]))

    assert len(spans) == sessions
    assert spans[-1] == (23 * 60 * MINUTE_MS + 45 * MINUTE_MS, offset_ms(end))


def test_a_call_and_the_conversation_of_the_same_name_are_metered_apart() -> None:
    check(
        "rules",
        """
        0         voice started as c1
        0         started as c1
        5         ended as c1         -> 0-5 U7:ended
        6         voice ended as c1   -> 0-6 V1:ended
        """,
    )

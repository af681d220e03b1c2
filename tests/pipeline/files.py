"""Files of events for the whole way: a given one in worse shape, and small ones whose result is known by hand. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

from services.cli.heads import read_head
from services.events.times import format_ms, parse_ms

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
JITTER_MS: Final = 20 * HOUR_MS
COPIES_MAX: Final = 3

WORKSPACE: Final = "shifts"
DAY: Final = "2026-05-04"


def in_worse_shape(lines: Sequence[bytes], seed: int) -> list[bytes]:
    """Each line one to three times, each copy up to 20 hours behind its place: less than the lateness (T4), so nothing is refused for it."""
    random = Random(seed)
    placed = []
    for number, line in enumerate(lines):
        time_ms = read_head(line)[2]
        assert time_ms is not None, "a file with lines that tell no time cannot be put in another order"
        placed += [(time_ms + random.randrange(JITTER_MS), number, line) for _ in range(random.randint(1, COPIES_MAX))]
    return [line for _, _, line in sorted(placed)]


def halves(lines: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    middle = len(lines) // 2
    return lines[:middle], lines[middle:]


def shifts_and_a_conversation() -> list[bytes]:
    """100 agents over three shifts of eight hours (33, 33, 34; hand-overs of 15 minutes in which both shifts are there): 100 named, at most 67 at one time.
    And one conversation of 31 minutes: three sessions.
    """
    day_ms = parse_ms(f"{DAY}T00:00:00Z")
    events = [
        _event("conversation.started", "c-31", day_ms, channel="web", kore_user_id="u-1"),
        _event("conversation.ended", "c-31", day_ms + 31 * MINUTE_MS, channel="web", reason="user"),
        *_shift(0, 33, day_ms),
        *_shift(33, 33, day_ms + 8 * HOUR_MS),
        *_shift(66, 34, day_ms + 16 * HOUR_MS),
    ]
    return [json.dumps(event).encode() for event in sorted(events, key=lambda event: str(event["time"]))]


def _shift(first: int, agents: int, start_ms: int) -> Iterator[dict[str, Any]]:
    for number in range(first, first + agents):
        agent = {"agent_id": f"agent-{number}", "app_ids": ["desk"]}
        yield _event("agent.logged_in", f"login-{number}", start_ms, **agent)
        yield _event("agent.logged_out", f"login-{number}", start_ms + 8 * HOUR_MS + 15 * MINUTE_MS, **agent)


def _event(kind: str, subject: str, time_ms: int, **data: object) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{kind}/{subject}",
        "source": "test/shifts",
        "type": kind,
        "time": format_ms(time_ms),
        "subject": subject,
        "data": {"workspace_id": WORKSPACE, "app_id": "desk", **data},
    }
